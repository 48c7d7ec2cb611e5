import ArgumentParser
import Foundation
import Wire

/// The decks, and how they are read: for `submit` and `validate`.
struct DeckOptions: ParsableArguments {
    @Argument(
        help: "The deck: a file, or - for standard input. Several are one batch, stored together or not at all.",
        completion: .file())
    var files: [String]

    @Option(help: "The host; may be left out when one is configured.")
    var host: String?

    @Option(help: "Another job name than the one on the job card.")
    var name: String?

    @Option(help: "The host's job card template of this name; none for none.")
    var template: String?

    @Option(help: "NAME=VALUE for a symbol of the deck or template. May be given again.")
    var symbol: [String] = []

    @Option(help: "on or off: whether ${NAME} is a symbol. (default: when there are some)")
    var symbols: String?

    @Flag(help: "Each job card begins a job of its own; the answer is a batch.")
    var split = false

    @Option(help: "What a tab is: refuse or expand.")
    var tabs: String?

    @Option(help: "What a line of data longer than a card is: refuse or wrap.")
    var cards: String?

    @Option(help: "text: lines in UTF-8; cards: card images of 80 octets in the host's code.")
    var form: String?

    @Flag(help: "What would be a warning is a fault.")
    var strict = false

    func validate() throws {
        if files.count(where: { $0 == "-" }) > 1 { throw ValidationError("Standard input can be read only once.") }
    }

    /// What goes with the request beside its body.
    var fields: [String: String] {
        var fields = ["Content-Type": files.count > 1 ? "application/json" : "text/plain"]
        if strict { fields["Prefer"] = "handling=strict" }
        return fields
    }

    func items() throws -> [(String, String?)] {
        [
            ("host", host), ("name", name), ("template", template), ("symbols", symbols),
            ("split", split ? "true" : nil), ("tabs", tabs), ("cards", cards), ("form", form),
        ] + (try pairs(symbol, "symbol"))
    }

    /// One deck as it is; several as the parts of a batch.
    func body() throws -> [UInt8] {
        if files.count == 1 { return try Self.read(files[0]) }
        var json = JSONWriter()
        json.beginObject()
        json.key("parts")
        json.beginArray()
        for file in files {
            json.beginObject()
            json.key("deck_base64")
            json.string(Data(try Self.read(file)).base64EncodedString())
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.bytes
    }

    /// The file that a finding is about.
    func file(of finding: JSONValue) -> String {
        let words = (finding["pointer"]?.string ?? "").split(separator: "/")
        guard words.count > 1, words[0] == "parts", let number = Int(words[1]), files.indices.contains(number) else {
            return files[0]
        }
        return files[number]
    }

    private static func read(_ file: String) throws -> [UInt8] {
        if file == "-" { return Array(FileHandle.standardInput.readDataToEndOfFile()) }
        guard let data = FileManager.default.contents(atPath: file) else {
            complain("\(file) cannot be read: \(whyUnreadable(file))")
            throw ExitCode.validationFailure
        }
        return Array(data)
    }
}

/// KEY=VALUE as query parameters of one family: `label.KEY`.
func pairs(_ given: [String], _ family: String) throws -> [(String, String?)] {
    try given.map { pair in
        guard let equals = pair.firstIndex(of: "=") else {
            throw ValidationError("--\(family) takes \(family == "symbol" ? "NAME" : "KEY")=VALUE")
        }
        return ("\(family).\(pair[..<equals])", String(pair[pair.index(after: equals)...]))
    }
}
