import ArgumentParser
import Wire

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a deck as a submission would, and send nothing.",
        discussion: """
            Example:  port77 validate payroll.jcl --host demo --strict
                      port77 validate night/*.jcl

            Exit codes: 0 it would be taken, 1 it has faults, 250 no gateway, 251 refused.
            """)

    @OptionGroup var deck: DeckOptions

    @OptionGroup var client: ClientOptions

    func run() throws {
        let answer = try client.ask(
            "POST", "/v1/jobs:validate" + query(try deck.items()), fields: deck.fields, body: try deck.body(),
            files: deck)
        let isValid = answer.json?["valid"]?.bool ?? false
        if client.json {
            printOctets(answer.body + [0x0A])
        } else {
            for (name, kind) in [("errors", "error"), ("warnings", "warning")] {
                for item in answer.json?[name]?.elements ?? [] { print(line(item, kind)) }
            }
            for job in answer.json?["jobs"]?.elements ?? [] {
                print("\(job["name"].map(words) ?? "-"): \(job["cards"].map(words) ?? "0") cards")
            }
        }
        if !isValid { throw ExitCode(1) }
    }

    /// As compilers write it, for editors that jump there.
    private func line(_ item: JSONValue, _ kind: String) -> String {
        let file = deck.file(of: item)
        let place = item["line"]?.int.map { "\(file):\($0):\(item["column"]?.int ?? 1): " }
        return Terminal.plain("\(place ?? "\(file): ")\(kind): \(item["detail"]?.string ?? "")")
    }
}
