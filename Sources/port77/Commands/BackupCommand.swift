import ArgumentParser
import Foundation
import Jobs
import Stores

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy a gateway's data while it runs, or check such a copy.",
        discussion: """
            Example:  port77 backup --config /etc/port77.yaml /backup/port77-2026-11-23
                      port77 backup --verify /backup/port77-2026-11-23

            The copy is the store as it was after one commit: every job up to one event, with deck and print-out. To restore,
            copy it and point `data:` at the copy. It holds secrets, as the data folder does. Exit code 1: it failed, or the
            copy has faults.
            """)

    @Argument(help: "The folder to make, or to check.")
    var folder: String

    @Flag(help: "Read a backup and tell every fault; changes nothing.")
    var verify = false

    @Option(help: "The YAML configuration file, for the data folder.", completion: .file())
    var config: String?

    @Option(help: "The data folder.", completion: .directory)
    var data: String?

    func run() throws {
        do {
            verify ? try check() : try make()
        } catch let error as BackupError {
            complain("\(error)")
            throw ExitCode(1)
        }
    }

    private func make() throws {
        var settings = try loadConfiguration(config)
        try settings.apply(environment: ProcessInfo.processInfo.environment)
        let manifest = try Backup.make(of: data ?? settings.data, into: folder, at: WallClock.system.now())
        print("\(folder): \(words(manifest))")
        for hash in manifest.lacking { complain("the store itself has lost the body \(hash.hex)") }
    }

    private func check() throws {
        let (manifest, faults) = try Backup.verify(folder)
        for fault in faults { complain("\(folder): \(fault)") }
        if !faults.isEmpty { throw ExitCode(1) }
        print("\(folder): good. \(words(manifest))")
    }

    private func words(_ manifest: BackupManifest) -> String {
        let octets = manifest.files.reduce(0) { $0 + $1.octets }
        return
            "\(manifest.jobs) jobs up to event \(manifest.lastEvent), \(manifest.files.count) files, \(octets) octets"
    }
}
