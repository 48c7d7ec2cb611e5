/// Header fields of an answer, in order. Names are compared without regard to case.
package struct Fields: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    package struct Item: Sendable, Equatable {
        package let name: String
        package let value: String
    }

    package private(set) var items: [Item] = []

    package init() {}

    package init(dictionaryLiteral items: (String, String)...) {
        self.items = items.map { Item(name: $0.0, value: $0.1) }
    }

    /// Adds a field, beside those of the same name.
    package mutating func add(_ name: String, _ value: String) {
        items.append(Item(name: name, value: value))
    }

    package mutating func add(_ other: Fields) { items += other.items }

    /// The first value; setting replaces all of that name, setting `nil` removes them.
    package subscript(_ name: String) -> String? {
        get { items.first { $0.name.isEqualIgnoringCase(to: name) }?.value }
        set {
            items.removeAll { $0.name.isEqualIgnoringCase(to: name) }
            if let newValue { add(name, newValue) }
        }
    }

    /// Every name a token and no CR, LF, NUL or other control in a value: no field can end its line and begin another.
    package var isValid: Bool {
        items.allSatisfy { item in
            var name = item.name, value = item.value
            return !name.isEmpty && name.withUTF8 { $0.allSatisfy(Octet.isToken) }
                && value.withUTF8 { $0.allSatisfy(Octet.isFieldValue) }
        }
    }
}

extension String {
    func isEqualIgnoringCase(to other: String) -> Bool {
        utf8.count == other.utf8.count
            && zip(utf8, other.utf8).allSatisfy { Octet.lowercased($0) == Octet.lowercased($1) }
    }
}
