import ArgumentParser
import Foundation

/// The deck, and how it is read: for `submit` and `validate`.
struct DeckOptions: ParsableArguments {
    @Argument(help: "The deck: a file, or - for standard input.")
    var file: String

    @Option(help: "The host; may be left out when one is configured.")
    var host: String?

    @Option(help: "Another job name than the one on the job card.")
    var name: String?

    @Option(help: "The host's job card template of this name.")
    var template: String?

    @Option(help: "NAME=VALUE for a symbol of the deck or template. May be given again.")
    var symbol: [String] = []

    @Flag(help: "What would be a warning is a fault.")
    var strict = false

    var fields: [String: String] {
        var fields = ["Content-Type": "text/plain"]
        if strict { fields["Prefer"] = "handling=strict" }
        return fields
    }

    func items() throws -> [(String, String?)] {
        var items: [(String, String?)] = [("host", host), ("name", name), ("template", template)]
        for pair in symbol {
            guard let equals = pair.firstIndex(of: "=") else { throw ValidationError("--symbol takes NAME=VALUE") }
            items.append(("symbol.\(pair[..<equals])", String(pair[pair.index(after: equals)...])))
        }
        return items
    }

    func read() throws -> [UInt8] {
        if file == "-" { return Array(FileHandle.standardInput.readDataToEndOfFile()) }
        guard let data = FileManager.default.contents(atPath: file) else {
            throw ValidationError("\(file) cannot be read")
        }
        return Array(data)
    }
}
