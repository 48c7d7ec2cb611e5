import Foundation
import Synchronization

/// The built executable, run as a user runs it.
struct Executable {
    struct Result {
        let code: Int32
        let output: String
        let errors: String
    }

    struct Missing: Error {}

    static let path: String = {
        // Beside the test bundle; `swift test` hands its path to the runner.
        let places =
            CommandLine.arguments.map { URL(fileURLWithPath: $0).deletingLastPathComponent() } + [Bundle.main.bundleURL]
        let near = places.map { $0.appending(path: "port77").path() }
        return near.first { FileManager.default.isExecutableFile(atPath: $0) } ?? ".build/debug/port77"
    }()

    static func run(_ arguments: [String], input: String? = nil, environment: [String: String] = [:]) async throws
        -> Result
    {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                do {
                    let process = Process()
                    process.executableURL = URL(fileURLWithPath: path)
                    process.arguments = arguments
                    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
                    let output = Pipe()
                    let errors = Pipe()
                    process.standardOutput = output
                    process.standardError = errors
                    let standardInput = Pipe()
                    process.standardInput = standardInput
                    try process.run()
                    if let input { standardInput.fileHandleForWriting.write(Data(input.utf8)) }
                    try standardInput.fileHandleForWriting.close()
                    let complaint = Mutex(Data())
                    let reading = DispatchGroup()
                    reading.enter()
                    DispatchQueue.global().async {
                        let data = errors.fileHandleForReading.readDataToEndOfFile()
                        complaint.withLock { $0 = data }
                        reading.leave()
                    }
                    let data = output.fileHandleForReading.readDataToEndOfFile()
                    reading.wait()
                    process.waitUntilExit()
                    continuation.resume(
                        returning: Result(
                            code: process.terminationStatus, output: String(decoding: data, as: UTF8.self),
                            errors: complaint.withLock { String(decoding: $0, as: UTF8.self) }))
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
    }
}

/// A process that prints a ready line and runs until it is ended.
final class Server: @unchecked Sendable {  // only one test uses it, from one task at a time
    private let process = Process()
    private let output = Pipe()
    /// The last word of the ready line.
    private(set) var address = ""

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        process.executableURL = URL(fileURLWithPath: Executable.path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        var line: [UInt8] = []
        while let octet = try output.fileHandleForReading.read(upToCount: 1)?.first, octet != 0x0A {
            line.append(octet)
        }
        address = String(decoding: line, as: UTF8.self).split(separator: " ").last.map(String.init) ?? ""
    }

    func stop() -> Int32 {
        process.terminate()
        process.waitUntilExit()
        return process.terminationStatus
    }

    deinit { if process.isRunning { process.terminate() } }
}

func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "port77-e2e-\(UUID())").path()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await body(folder)
}
