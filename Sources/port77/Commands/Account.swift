import ArgumentParser

struct Me: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show who I am to the gateway and what I may do.", discussion: "Example:  port77 me")

    @OptionGroup var client: ClientOptions

    func run() throws { client.show(try client.ask("GET", "/v1/me")) }
}

struct Usage: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what my owner uses, beside its limits.", discussion: "Example:  port77 usage")

    @OptionGroup var client: ClientOptions

    func run() throws { client.show(try client.ask("GET", "/v1/usage")) }
}

struct Storage: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show how the gateway's store is.", discussion: "Example:  port77 storage")

    @OptionGroup var client: ClientOptions

    func run() throws { client.show(try client.ask("GET", "/v1/storage")) }
}

struct Ready: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say whether the gateway takes work; the exit code says it as well.",
        discussion: """
            Example:  port77 ready || echo "not now"

            Exit codes: 0 it does, 1 it does not (starting, draining, its disk full), 250 no gateway.
            """)

    @OptionGroup var client: ClientOptions

    func run() throws {
        let answer: GatewayClient.Answer
        do {
            answer = try client.client.send("GET", "/readyz")
        } catch let failure as GatewayClient.Failure {
            complain(failure.description)
            throw ExitCode(ClientExit.noGateway)
        }
        printOctets(answer.body + (answer.body.last == 0x0A ? [] : [0x0A]))
        if answer.status != 200 { throw ExitCode(1) }
    }
}
