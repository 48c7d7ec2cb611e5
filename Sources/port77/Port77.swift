import ArgumentParser

@main
struct Port77: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "port77",
        abstract: "An HTTP/REST gateway to batch hosts that are reached by Remote Job Entry.",
        discussion: """
            Send a deck, watch it, get the print-out, be called back when it ends.

              port77 demo                                     see all of it at once
              port77 host --user RMT1:secret &                a small batch host on 127.0.0.1:7077
              port77 serve &                                  the gateway on 127.0.0.1:8077
              port77 submit payroll.jcl --wait                the print-out; exit code = return code of the job
            """,
        version: Version.text,
        subcommands: [
            Serve.self, Demo.self, Host.self, Submit.self, Validate.self, Status.self, Batch.self, Watch.self,
            Output.self,
            Grep.self, DeckCommand.self, List.self, Events.self, Cancel.self, Hold.self, Release.self, Resubmit.self,
            Amend.self, Resolve.self, Attempts.self, TraceCommand.self, ReceiptCommand.self, Verify.self, Purge.self,
            Unclaimed.self, Hosts.self, WebhookCommands.self, Keys.self, Me.self, Usage.self, Audit.self, Storage.self,
            Ready.self, Config.self, BackupCommand.self, Probe.self, Completions.self, Manual.self,
        ])
}

enum Version {
    static let text = "0.1.0"
}
