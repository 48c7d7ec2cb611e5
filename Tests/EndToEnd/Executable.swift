import Foundation
import TestKit

/// The built executable, run as a user runs it.
struct Executable {
    typealias Result = (code: Int32, output: String, errors: String)

    static let path: String = {
        // Beside the test bundle; `swift test` hands its path to the runner.
        let places =
            CommandLine.arguments.map { URL(fileURLWithPath: $0).deletingLastPathComponent() } + [Bundle.main.bundleURL]
        let near = places.map { $0.appending(path: "port77").path() }
        return near.first { FileManager.default.isExecutableFile(atPath: $0) } ?? ".build/debug/port77"
    }()

    static func run(_ arguments: [String], input: String = "", environment: [String: String] = [:]) async throws
        -> Result
    {
        let result = try await Child.run(path, arguments, input: Array(input.utf8), environment: environment)
        return (result.code, result.outputText, result.errorText)
    }
}

/// A process that prints a ready line and runs until it is ended.
final class Server: Sendable {
    private let child: Child
    /// The last word of the ready line.
    let address: String

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        child = try Child(Executable.path, arguments, environment: environment)
        address = child.readLine()?.split(separator: " ").last.map(String.init) ?? ""
    }

    func stop() -> Int32 { child.stop() }
}

func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "port77-e2e-\(UUID())").path()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await body(folder)
}
