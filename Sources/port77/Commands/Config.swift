import ArgumentParser
import Foundation
import Jobs
import Stores
import Lines
import Tokens

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at a configuration file.", subcommands: [Check.self])

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Explain every fault of a configuration file with its line.",
            discussion: "Example:  port77 config check /etc/port77.yaml")

        @Argument(help: "The YAML file.", completion: .file())
        var file: String

        func run() throws {
            let configuration = try loadConfiguration(file)
            let environment = ProcessInfo.processInfo.environment
            var faults = configuration.warnings.map(\.description)
            do {
                let places = configuration.listen.compactMap { listen -> ListenPlace? in
                    if case .place(let place) = listen.spot { place } else { nil }
                }
                try ListenRules.check(
                    places.filter { !$0.isInherited }, configuration.tls,
                    hasKeys: KeyFile.hasKeys(folder: configuration.data) || !configuration.auth.isEmpty)
            } catch {
                faults.append("\(error)")
            }
            for host in configuration.hosts {
                do { _ = try host.password.reveal(environment: environment) } catch {
                    faults.append("host \(host.id): \(error)")
                }
            }
            for host in configuration.hosts {
                guard let server = host.speaks.ftp else { continue }
                do { _ = try server.password.reveal(environment: environment) } catch {
                    faults.append("host \(host.id), ftp: \(error)")
                }
            }
            if let secret = configuration.webhooks.secret {
                do { _ = try secret.reveal(environment: environment) } catch { faults.append("webhooks: \(error)") }
            }
            do { try configuration.webhooks.checkAuthorities() } catch { faults.append("\(error)") }
            for issuer in configuration.auth.issuers {
                guard case .file(let path) = issuer.keys else { continue }
                guard let octets = readSmallFile(path) else {
                    faults.append("issuer \(issuer.rules.issuer): the file \(path) cannot be read")
                    continue
                }
                do { _ = try KeySet(parsing: octets) } catch {
                    faults.append("issuer \(issuer.rules.issuer): \(path) has no keys to check tokens with: \(error)")
                }
            }
            for fault in faults { complain("\(file): \(fault)") }
            for hint in configuration.hints { complain("\(file): \(hint)") }
            if !faults.isEmpty { throw ExitCode(1) }
            print(
                "\(file): good. \(configuration.hosts.count) host(s): \(configuration.hosts.map(\.id.description).joined(separator: ", "))"
            )
        }
    }
}

/// - Throws: `ExitCode` after the faults have been printed.
func loadConfiguration(_ file: String?) throws -> Configuration {
    guard let file else { return .withoutFile }
    guard let octets = readSmallFile(file) else {
        complain("\(file) cannot be read: \(whyUnreadable(file))")
        throw ExitCode(1)
    }
    do {
        return try ConfigurationReader.read(String(decoding: octets, as: UTF8.self), file: file)
    } catch {
        complain(error.description)
        throw ExitCode(1)
    }
}
