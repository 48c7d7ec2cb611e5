import ArgumentParser
import Wire

struct Manual: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "man", abstract: "Print the manual page, made from the help of every command.",
        discussion: """
            Example:  port77 man | man -l -
                      port77 man > /usr/local/share/man/man1/port77.1
            """)

    func run() throws {
        let help = Array(Port77._dumpHelp().utf8)
        guard let command = (try? JSONValue(parsing: help))?["command"] else {
            complain("the help could not be read")
            throw ExitCode.failure
        }
        var page = ManualPage(version: Version.text)
        page.write(command)
        print(page.text, terminator: "")
    }
}

/// One page in the macros of man(7).
struct ManualPage {
    private(set) var text = ""
    private let version: String

    init(version: String) { self.version = version }

    mutating func write(_ command: JSONValue) {
        let name = command["commandName"]?.string ?? ""
        macro("TH", [name.uppercased(), "1", "", "\(name) \(version)", "User Commands"])
        macro("SH", ["NAME"])
        line("\(name) - \(command["abstract"]?.string ?? "")")
        macro("SH", ["SYNOPSIS"])
        macro("B", [name])
        line("command [options]")
        macro("SH", ["DESCRIPTION"])
        block(command["discussion"]?.string ?? "")
        macro("SH", ["COMMANDS"])
        for inner in command["subcommands"]?.elements ?? [] { write(inner, after: name) }
        macro("SH", ["EXIT STATUS"])
        line("Commands that ask a gateway end with these:")
        for (code, meaning) in ClientExit.table { entry([code], meaning) }
        line("Other commands end with 0, 1 where they found what they look for to be wrong, or 64 for a wrong option.")
        macro("SH", ["ENVIRONMENT"])
        entry(["PORT77_URL"], "The gateway's URL, where --gateway does not name it.")
        entry(["PORT77_KEY"], "The API key.")
        entry(["NO_COLOR"], "If it is set, tables have no color.")
    }

    private mutating func write(_ command: JSONValue, after path: String) {
        let name = command["commandName"]?.string ?? ""
        guard name != "help", command["shouldDisplay"]?.bool ?? true else { return }
        let path = "\(path) \(name)"
        let arguments = (command["arguments"]?.elements ?? []).filter { $0["shouldDisplay"]?.bool ?? true }
        let positional = arguments.filter { $0["kind"]?.string == "positional" }.map { argument in
            let name = "<\(argument["valueName"]?.string ?? "")>"
            return argument["isOptional"]?.bool == true ? "[\(name)]" : name
        }
        macro("SS", [([path] + positional).joined(separator: " ")])
        line(command["abstract"]?.string ?? "")
        block(command["discussion"]?.string ?? "")
        for argument in arguments where argument["names"]?.elements?.isEmpty == false {
            let names = argument["names"]?.elements?.map { name in
                (name["kind"]?.string == "short" ? "-" : "--") + (name["name"]?.string ?? "")
            }
            let value = argument["kind"]?.string == "option" ? " <\(argument["valueName"]?.string ?? "")>" : ""
            guard let names, !names.contains("--help"), !names.contains("--version") else { continue }
            let standard = argument["defaultValue"]?.string.map { " (default: \($0))" } ?? ""
            entry(names.map { $0 + value }, (argument["abstract"]?.string ?? "") + standard)
        }
        for inner in command["subcommands"]?.elements ?? [] { write(inner, after: path) }
    }

    private mutating func entry(_ terms: [String], _ meaning: String) {
        macro("TP", [])
        macro("B", [terms.joined(separator: ", ")])
        line(meaning)
    }

    /// As it stands, an example's lines included.
    private mutating func block(_ words: String) {
        guard !words.isEmpty else { return }
        macro("PP", [])
        macro("nf", [])
        for row in words.split(separator: "\n", omittingEmptySubsequences: false) { line(String(row)) }
        macro("fi", [])
    }

    private mutating func macro(_ name: String, _ arguments: [String]) {
        text +=
            "."
            + ([name] + arguments.map { "\"\(escaped($0).replacing("\"", with: "\\(dq"))\"" }).joined(separator: " ")
        text += "\n"
    }

    private mutating func line(_ words: String) {
        let words = escaped(words)
        // A line that begins so would be a macro.
        text += (words.hasPrefix(".") || words.hasPrefix("'") ? "\\&" : "") + words + "\n"
    }

    private func escaped(_ words: String) -> String {
        words.replacing("\\", with: "\\e").replacing("-", with: "\\-")
    }
}
