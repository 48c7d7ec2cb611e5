import HTTPCore
import Jobs

/// A query whose every parameter is known to the route: a typo is answered, not ignored.
struct QueryReader {
    let parameters: Parameters

    /// - Parameters:
    ///   - names: the parameters that the route has.
    ///   - repeatable: those of them that may stand more than once.
    ///   - labels: whether `label.K=V` is one of them.
    ///   - symbols: whether `symbol.K=V` is one of them.
    init(
        _ request: Request, names: @autoclosure () -> Set<String> = [], repeatable: Set<String> = [],
        labels: Bool = false, symbols: Bool = false
    ) throws(Problem) {
        parameters = request.query
        guard !parameters.items.isEmpty else { return }
        let names = names()
        for item in parameters.items where !names.contains(item.name) {
            if labels, item.name.hasPrefix("label.") { continue }
            if symbols, item.name.hasPrefix("symbol.") { continue }
            let known = names.sorted() + (labels ? ["label.{key}"] : []) + (symbols ? ["symbol.{name}"] : [])
            throw Problem(
                .malformedRequest,
                "There is no query parameter \"\(item.name.prefix(64))\" here; "
                    + (known.isEmpty ? "there is none at all." : "there are \(known.joined(separator: ", "))."),
                errors: [.init(code: "unknown-parameter", detail: "Unknown parameter \"\(item.name.prefix(64))\".")])
        }
        if let name = parameters.repeatedNames.first(where: { !repeatable.contains($0) }) {
            throw Problem(
                .malformedRequest, "The query parameter \"\(name.prefix(64))\" stands more than once.",
                errors: [.init(code: "repeated-parameter", detail: "Repeated parameter \"\(name.prefix(64))\".")])
        }
    }

    subscript(_ name: String) -> String? { parameters[name] }

    static func fault(_ name: String, _ detail: String) -> Problem {
        Problem(
            .malformedRequest, "The query parameter \"\(name)\" is not valid: \(detail)",
            errors: [.init(code: "invalid-parameter", detail: "\(name): \(detail)")])
    }

    func int(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = self[name] else { return nil }
        guard let value = strictInt(text), range.contains(value) else {
            throw Self.fault(name, "it must be a whole number from \(range.lowerBound) to \(range.upperBound).")
        }
        return value
    }

    func sequence(_ name: String) throws(Problem) -> Int64? {
        guard let text = self[name] else { return nil }
        guard let value = strictInt(text) else { throw Self.fault(name, "it must be the number of an event.") }
        return Int64(value)
    }

    func time(_ name: String) throws(Problem) -> Timestamp? {
        guard let text = self[name] else { return nil }
        guard let time = Timestamp(rfc3339: text) else {
            throw Self.fault(name, "it must be a time as 2026-01-31T12:00:00Z.")
        }
        return time
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _: Choice.Type = Choice.self
    ) throws(Problem) -> Choice? where Choice.RawValue == String {
        guard let text = self[name] else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw Self.fault(name, "it must be one of \(Choice.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        return choice
    }

    /// Several words with commas between; empty without the parameter.
    func names<Name>(_ name: String, _ make: (String) -> Name?) throws(Problem) -> [Name] {
        guard let text = self[name] else { return [] }
        var names: [Name] = []
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let made = make(String(word)) else {
                throw Self.fault(name, "\"\(word.prefix(64))\" is not among what it can name.")
            }
            names.append(made)
        }
        return names
    }

    func name<Name>(_ name: String, _ make: (String) -> Name?, _ rule: String) throws(Problem) -> Name? {
        guard let text = self[name] else { return nil }
        guard let value = make(text) else { throw Self.fault(name, rule) }
        return value
    }
}

/// Digits only, at most 18 of them.
func strictInt(_ text: some StringProtocol) -> Int? {
    guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy(Octet.isDigit) else { return nil }
    return Int(text)
}
