/// A JSON text that was read. Objects keep the order of their members; their names are all different.
package enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    /// A whole number that 64 bits hold.
    case int(Int64)
    /// Any other number.
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object([Member])

    package struct Member: Equatable, Sendable {
        package let name: String
        package let value: JSONValue
        package init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Arrays and objects in each other, at most.
    package static let deepestNesting = 32

    /// - Parameter text: one value in UTF-8 with nothing but blanks around it. Its size is for the caller to limit.
    package init(parsing text: [UInt8]) throws(JSONFault) {
        var parser = JSONParser(text)
        self = try parser.parse()
    }

    /// The member of that name; nil when there is none, or this is no object.
    package subscript(name: String) -> JSONValue? {
        members?.first { $0.name == name }?.value
    }

    package var members: [Member]? { if case .object(let members) = self { members } else { nil } }
    package var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var int: Int64? { if case .int(let value) = self { value } else { nil } }
    package var isNull: Bool { self == .null }

    /// A number of either kind.
    package var double: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }
}

/// Why a text is no JSON, and where.
package struct JSONFault: Error, Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// An octet that cannot stand here.
        case unexpected(UInt8)
        case unexpectedEnd
        /// More after the value.
        case trailing
        case duplicateName(String)
        case tooDeep(limit: Int)
        case notUTF8
        /// A backslash with what JSON does not know, or half a surrogate pair.
        case badEscape
        /// A control character inside a string.
        case controlCharacter(UInt8)
        /// A number too large for a double.
        case numberTooLarge
    }

    package let kind: Kind
    /// Octets before the fault.
    package let offset: Int
    /// From 1; lines end in LF.
    package let line: Int
    /// In characters, from 1.
    package let column: Int

    package init(kind: Kind, offset: Int, line: Int, column: Int) {
        self.kind = kind
        self.offset = offset
        self.line = line
        self.column = column
    }
}

extension JSONFault {
    /// A sentence for people, without the position.
    package var reason: String {
        switch kind {
        case .unexpected(let octet):
            (0x21...0x7E).contains(octet)
                ? "\"\(Unicode.Scalar(octet))\" cannot stand here" : "octet 0x\(Hex.encode([octet])) cannot stand here"
        case .unexpectedEnd: "the text ends too early"
        case .trailing: "something follows the value"
        case .duplicateName(let name): "the name \"\(name)\" stands twice in one object"
        case .tooDeep(let limit): "arrays and objects are nested more than \(limit) deep"
        case .notUTF8: "the text is not UTF-8"
        case .badEscape: "the escape is none of JSON's"
        case .controlCharacter(let octet): "control character 0x\(Hex.encode([octet])) in a string"
        case .numberTooLarge: "the number is too large"
        }
    }
}
