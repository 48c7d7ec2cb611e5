import Foundation
import Jobs
import Lines
import ReferenceHost
import Synchronization
import TestKit
import Testing
import Wire

extension HostTime {
    /// 2026-11-23T01:02:03Z, always; sleeping is on a clock that stands still.
    static func fixed(_ clock: ManualClock = ManualClock()) -> HostTime {
        HostTime(
            now: { Timestamp(microseconds: 1_795_395_723_000_000).advanced(by: clock.now.offset) },
            sleep: { try await clock.sleep(for: $0) })
    }
}

/// A job that ran.
struct Ran {
    let report: JobReport
    let files: [OutputFile]

    /// The octets of a file as text, lines ended by LF.
    func text(_ ddName: String) -> String? {
        guard let file = files.first(where: { $0.ddName == ddName }) else { return nil }
        let octets = (try? file.body.read(offset: 0, count: file.octets)) ?? []
        return (file.code ?? .ascii).decode(octets)
    }

    func lines(_ ddName: String) -> [String] {
        (text(ddName) ?? "").split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }
}

/// A batch system whose initiators run while `body` does.
func withBatch<Result>(
    _ batch: BatchSystem, _ body: (BatchSystem) async throws -> Result
) async throws -> Result {
    let running = Task { await batch.run() }
    defer { batch.stop() }
    do {
        let result = try await body(batch)
        batch.stop()
        await running.value
        return result
    } catch {
        batch.stop()
        await running.value
        throw error
    }
}

extension BatchSystem {
    func accept(
        _ deck: String, user: String = "RMT1", key: String? = nil, change: (inout Submission) -> Void = { _ in }
    ) async throws -> JobReceipt {
        var submission = Submission(user: user, key: key, block: Array(deck.utf8))
        change(&submission)
        guard case .accepted(let receipt) = try await wait(for: submit(submission)) else { throw NotAccepted() }
        return receipt
    }

    struct NotAccepted: Error {}

    /// Returns when the job has reached one of the states.
    func reached(_ states: [QueueState], _ job: String, user: String = "RMT1") async -> JobReport? {
        let (stream, continuation) = AsyncStream.makeStream(of: JobReport.self)
        let watch = watch(user) { continuation.yield($0) }
        defer { unwatch(watch) }
        guard let now = status(job, of: user) else { return nil }
        if states.contains(now.state) { return now }
        for await report in stream where report.number.description == job && states.contains(report.state) {
            return report
        }
        return nil
    }

    func ended(_ job: String, user: String = "RMT1") async throws -> Ran {
        let report = try #require(await reached([.done, .failed], job, user: user))
        return Ran(report: report, files: try files(job, of: user))
    }
}

/// Runs one deck in a fresh batch system.
func ran(
    _ deck: String, settings: BatchSettings = BatchSettings(), time: HostTime = .fixed(),
    change: (inout Submission) -> Void = { _ in }
) async throws -> Ran {
    try await withBatch(BatchSystem(settings, time: time)) { batch in
        let receipt = try await batch.accept(deck, change: change)
        return try await batch.ended(receipt.number.description)
    }
}

/// A folder that is gone when its owner is.
final class TestFolder: Sendable {
    let path: String
    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("port77-host-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// As a process that dies leaves it: what is written last is copied first, so that nothing in the copy tells of
    /// something that the copy lacks.
    func copy() throws -> TestFolder {
        let other = try TestFolder()
        for name in ["ledger", "journal", "spool"] where FileManager.default.fileExists(atPath: "\(path)/\(name)") {
            try FileManager.default.copyItem(atPath: "\(path)/\(name)", toPath: "\(other.path)/\(name)")
        }
        return other
    }
}

/// A station by hand: lines and blocks as they are on the wire.
final class WireClient {
    let line: TCPLine
    private var buffer: [UInt8] = []
    /// Notices that stood before what was asked for.
    private(set) var notices: [String] = []

    struct Closed: Error {}

    init(_ address: SocketAddress, tls: TLSClientSettings? = nil) async throws {
        line = try await TCPLine.connect(
            to: address, on: TestLoops.one, tls: tls, named: tls == nil ? nil : "localhost")
    }

    func send(_ text: String) async throws { try await send(Array((text + "\r\n").utf8)) }
    func send(_ octets: [UInt8]) async throws { try await line.write(octets, within: .seconds(20)) }

    /// Without its end; nil when the host closed.
    func readLine() async throws -> String? {
        while true {
            if let end = buffer.firstIndex(of: 0x0A) {
                let line = buffer[..<end]
                buffer.removeFirst(end + 1 - buffer.startIndex)
                return String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
            }
            guard let more = try await line.read(within: .seconds(20)) else { return nil }
            buffer += more
        }
    }

    func read(_ count: Int) async throws -> [UInt8] {
        while buffer.count < count {
            guard let more = try await line.read(within: .seconds(20)) else { throw Closed() }
            buffer += more
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    /// The lines of the next answer, notices left out.
    func answer() async throws -> [String] {
        var lines: [String] = []
        while let line = try await readLine() {
            if line.hasPrefix("* ") {
                notices.append(line)
                continue
            }
            lines.append(line)
            if line.dropFirst(3).first != "-" { return lines }
        }
        return lines
    }

    /// The last line of the next answer.
    func last() async throws -> String { try await answer().last ?? "closed" }

    func ask(_ command: String) async throws -> String {
        try await send(command)
        return try await last()
    }

    func input(_ deck: String, _ parameters: String = "") async throws -> String {
        try await send(
            Array("INPUT OCTETS=\(deck.utf8.count)\(parameters.isEmpty ? "" : " ")\(parameters)\r\n\(deck)".utf8))
        return try await last()
    }

    func signOn(_ user: String = "RMT1", _ password: String = "secret") async throws {
        _ = try await last()
        _ = try await ask("HELLO PRIV-RJE/1")
        _ = try await ask("USER \(user)")
        let answer = try await ask("PASS \(password)")
        try #require(answer == "230 USER=\(user)")
    }

    /// Waits for the notice of a job's end, or finds that it has ended.
    func waitForEnd(_ job: String) async throws -> String {
        _ = try await ask("WATCH \(job)")
        let now = try await ask("STATUS \(job)")
        if !now.hasPrefix("161") { return now }
        if let seen = notices.first(where: { $0.contains("JOB=\(job) ") && !$0.hasPrefix("* 161") }) {
            return String(seen.dropFirst(2))
        }
        while let line = try await readLine() {
            if line.hasPrefix("* "), line.contains("JOB=\(job) "), !line.hasPrefix("* 161") {
                return String(line.dropFirst(2))
            }
        }
        throw Closed()
    }

    func fetch(_ job: String, _ file: Int, _ parameters: String = "") async throws -> (header: String, octets: [UInt8])
    {
        try await send("FETCH \(job) \(file)\(parameters.isEmpty ? "" : " ")\(parameters)")
        let header = try await last()
        let octets =
            header.split(separator: " ").first { $0.hasPrefix("OCTETS=") }.flatMap { Int($0.dropFirst(7)) } ?? 0
        return (header, try await read(octets))
    }

    func close() { line.close() }
}

/// `J00001` of an answer.
func jobNumber(_ answer: String) -> String {
    answer.split(separator: " ").first { $0.hasPrefix("JOB=") }.map { String($0.dropFirst(4)) } ?? answer
}

extension HostSettings {
    static func test(_ change: (inout HostSettings) -> Void = { _ in }) -> HostSettings {
        var settings = HostSettings()
        settings.listen = TestLoops.loopback
        settings.users = [.init(name: "RMT1", password: "secret"), .init(name: "RMT2", password: "other")]
        change(&settings)
        return settings
    }
}

/// A host that serves while `body` runs.
func withHost<Result>(
    _ settings: HostSettings = .test(), time: HostTime = .system,
    _ body: (SocketAddress, BatchHost) async throws -> Result
) async throws -> Result {
    let host = BatchHost(settings, time: time)
    let address = try await host.start()
    let running = Task { await host.run() }
    do {
        let result = try await body(address, host)
        await host.stop()
        await running.value
        return result
    } catch {
        await host.stop()
        await running.value
        throw error
    }
}

let hello = "//HELLO JOB (1),TEST\n// EXEC PGM=IEFBR14\n"
