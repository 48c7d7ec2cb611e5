import ArgumentParser

struct Completions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what makes a shell complete commands and options.",
        discussion: """
            Example:  port77 completions bash > /etc/bash_completion.d/port77
                      port77 completions zsh > "${fpath[1]}/_port77"
                      port77 completions fish > ~/.config/fish/completions/port77.fish
            """)

    enum Shell: String, CaseIterable, ExpressibleByArgument { case bash, zsh, fish }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() throws {
        let known: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        print(Port77.completionScript(for: known))
    }
}
