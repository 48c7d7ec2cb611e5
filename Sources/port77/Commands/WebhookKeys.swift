import ArgumentParser
import Wire

extension WebhookCommands {
    struct Keys: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the gateway's public keys (v1a), newest first, or make a new one.",
            discussion: """
                Example:  port77 webhooks keys
                          port77 webhooks keys --rotate

                After --rotate the old key signs as well for seven days, so that receivers can fetch the new one. Its public \
                half stays listed: receipts that it signed can be checked for ever.
                """)

        @Flag(help: "Make a new key, which signs from now on.")
        var rotate = false

        @OptionGroup var client: ClientOptions

        func run() throws {
            let answer =
                rotate
                ? try client.ask("POST", "/v1/webhook-keys/rotate") : try client.ask("GET", "/v1/webhook-keys")
            if client.json { return printOctets(answer.body + [0x0A]) }
            for key in answer.json?["items"]?.elements ?? [] {
                let end = key["signs_until"]?.string.map { "signs until \($0)" } ?? "signs"
                print("\(key["key"]?.string ?? "")  since \(key["created_at"]?.string ?? "")  \(end)")
            }
        }
    }
}
