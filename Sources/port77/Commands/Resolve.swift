import ArgumentParser
import Wire

struct Resolve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Decide about a job of which nobody can tell whether its host has it.",
        discussion: """
            Ask the host's operator first; `port77 status JOB` shows what was seen on the line.

            Examples:  port77 resolve 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --adopt J00042    the host has it under this number
                       port77 resolve 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --resend          it does not have it: send it again
                       port77 resolve 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --abandon         nobody waits for it any more
            """)

    @Argument(help: "The job's ID.")
    var id: String

    @Option(help: "The host has the job under this number.")
    var adopt: String?

    @Flag(help: "The host does not have the job: send it again.")
    var resend = false

    @Flag(help: "Give the job up.")
    var abandon = false

    @OptionGroup var client: ClientOptions

    func validate() throws {
        let given = (adopt == nil ? 0 : 1) + (resend ? 1 : 0) + (abandon ? 1 : 0)
        if given != 1 { throw ValidationError("Give one of --adopt NUMBER, --resend and --abandon.") }
    }

    func run() throws {
        var json = JSONWriter()
        json.beginObject()
        json.key("action")
        json.string(adopt != nil ? "adopt" : resend ? "resend" : "abandon")
        if let adopt {
            json.key("host_job")
            json.string(adopt)
        }
        json.endObject()
        let answer = try client.ask(
            "POST", "/v1/jobs/\(percentEncoded(id))/resolve", json: json.bytes)
        if client.json {
            printOctets(answer.body + [0x0A])
        } else {
            print("\(answer.json?["effect"]?.string ?? ""): \(answer.json?["state"]?.string ?? "")")
        }
    }
}

struct Hold: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep a job from being sent, or, when the host has it, from being run.",
        discussion: "Example:  port77 hold 01JDB2M3V9Q0R8S7T6W5X4Y3Z2")

    @Argument(help: "The job's ID.")
    var id: String

    @OptionGroup var client: ClientOptions

    func run() throws { try client.act("hold", on: id) }
}

struct Release: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let a held job go on.", discussion: "Example:  port77 release 01JDB2M3V9Q0R8S7T6W5X4Y3Z2")

    @Argument(help: "The job's ID.")
    var id: String

    @OptionGroup var client: ClientOptions

    func run() throws { try client.act("release", on: id) }
}

extension ClientOptions {
    /// Asks for an action on a job and prints what it did.
    func act(_ action: String, on id: String) throws {
        let answer = try ask("POST", "/v1/jobs/\(percentEncoded(id))/\(action)")
        if json {
            printOctets(answer.body + [0x0A])
        } else {
            print(answer.json?["effect"]?.string ?? "")
        }
    }
}
