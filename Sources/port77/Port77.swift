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
            Serve.self, Demo.self, Host.self, Submit.self, Status.self, Output.self, List.self, Cancel.self, Watch.self,
            Config.self, Unclaimed.self, Probe.self, Verify.self, WebhookCommands.self, Purge.self, Audit.self,
            Hold.self, Release.self, Resolve.self, Hosts.self, BackupCommand.self, Keys.self, Grep.self,
            TraceCommand.self, Validate.self, Completions.self, Manual.self,
        ])
}

enum Version {
    static let text = "0.1.0"
}
