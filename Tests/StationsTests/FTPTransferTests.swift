import Lines
import Stations
import Synchronization
import TestKit
import Testing

/// An FTP server of a few verbs: what it is asked is kept, text travels as ASCII by RFC 959.
private final class ScriptedFTP: Sendable {
    struct State {
        var commands: [String] = []
        /// Path to text with LF, as a Unix server keeps it.
        var files: [String: [UInt8]] = [:]
    }

    let state = Mutex(State())
    /// Ends the data connection after so many octets, by a reset.
    let cutsAfter: Int?
    private let listener: Mutex<LineListener?> = Mutex(nil)

    init(files: [String: [UInt8]] = [:], cutsAfter: Int? = nil) throws {
        self.cutsAfter = cutsAfter
        state.withLock { $0.files = files }
        let made = try LineListener(on: TestLoops.loopback, loops: TestLoops.all) { line in
            // Ends with its client.
            Task { await self.serve(line) }
        }
        listener.withLock { $0 = made }
    }

    var logOn: FTPLogOn {
        FTPLogOn(authority: "\(listener.withLock { $0?.localAddress.description } ?? "")", user: "bob", password: "pw")
    }

    func stop() async { await listener.withLock { $0 }?.stopListeningAndWait() }

    private func serve(_ line: TCPLine) async {
        var unread: [UInt8] = []
        let (lines, arrival) = AsyncStream.makeStream(of: TCPLine.self)
        var data = lines.makeAsyncIterator()
        func say(_ text: String) async { try? await line.write(Array("\(text)\r\n".utf8)) }
        await say("220 scripted")
        var passive: LineListener?
        while let octets = try? await line.read() {
            unread += octets
            while let end = unread.firstIndex(of: 0x0A) {
                let command = String(decoding: unread[..<end].filter { $0 != 0x0D }, as: UTF8.self)
                unread.removeFirst(end + 1)
                state.withLock { $0.commands.append(command) }
                let words = command.split(separator: " ", maxSplits: 1).map(String.init)
                let path = words.count > 1 ? words[1] : ""
                switch words.first ?? "" {
                case "USER": await say("331 password")
                case "PASS": await say(path == "pw" ? "230 in" : "530 no")
                case "PWD": await say("257 \"/\"")
                case "TYPE": await say("200 ok")
                case "EPSV":
                    await passive?.stopListeningAndWait()
                    passive = try? LineListener(on: TestLoops.loopback, loops: TestLoops.all) { arrival.yield($0) }
                    await say("229 passive (|||\(passive?.localAddress.port ?? 0)|)")
                case "RETR":
                    guard let file = state.withLock({ $0.files[path] }) else {
                        await say("550 no such file")
                        continue
                    }
                    await say("150 here it comes")
                    guard let carrier = await data.next() else { return }
                    let text = file.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] }
                    try? await carrier.write(Array(text.prefix(cutsAfter ?? .max)))
                    await carrier.finishSending()
                    carrier.close()
                    await say(cutsAfter == nil ? "226 done" : "426 broken")
                case "STOR", "APPE":
                    await say("150 go on")
                    guard let carrier = await data.next() else { return }
                    var text: [UInt8] = []
                    while let piece = try? await carrier.read() { text += piece }
                    carrier.close()
                    state.withLock { state in
                        let before = words[0] == "APPE" ? state.files[path] ?? [] : []
                        state.files[path] = before + text.filter { $0 != 0x0D }
                    }
                    await say("226 done")
                case "DELE":
                    await say(state.withLock { $0.files.removeValue(forKey: path) } == nil ? "550 no" : "250 gone")
                case "QUIT":
                    await say("221 bye")
                    line.close()
                default: await say("502 not here")
                }
            }
        }
        await passive?.stopListeningAndWait()
    }
}

@Suite(.timeLimit(.minutes(1))) struct FTPTransferTests {
    private static func taken(_ server: ScriptedFTP, _ path: String) async throws -> [UInt8] {
        let octets = Mutex<[UInt8]>([])
        try await FTPTransfer(server.logOn, pathname: path).retrieve { piece in octets.withLock { $0 += piece } }
        return octets.withLock { $0 }
    }

    @Test func `text comes with CR LF, whatever a line holds`() async throws {
        let server = try ScriptedFTP(files: ["out/run 1%.lst": Array("\u{0C}ONE\nTWO\n\nEND".utf8)])
        let begun = Atomic(0)
        let octets = Mutex<[UInt8]>([])
        try await FTPTransfer(server.logOn, pathname: "out/run 1%.lst").retrieve {
            begun.add(1, ordering: .relaxed)
        } piece: { piece in
            octets.withLock { $0 += piece }
        }
        #expect(octets.withLock { $0 } == Array("\u{0C}ONE\r\nTWO\r\n\r\nEND".utf8))
        #expect(begun.load(ordering: .relaxed) == 1)
        let commands = server.state.withLock { $0.commands }
        #expect(
            commands.contains("TYPE A") && commands.contains("RETR out/run 1%.lst") && commands.contains("USER bob"))
        await server.stop()
    }

    @Test func `text goes with CR LF and is stored or appended`() async throws {
        let server = try ScriptedFTP(files: ["/abs/x": Array("OLD\n".utf8)])
        let pieces = Mutex(["//A JOB\r", "\n//S1 EXEC PGM=X\r\n", "", "//\r\n"].map { Array($0.utf8) })
        let next: @Sendable () async throws -> [UInt8]? = {
            pieces.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        }
        try await FTPTransfer(server.logOn, pathname: "jobs/a.jcl").send(appending: false, next: next)
        #expect(server.state.withLock { $0.files["jobs/a.jcl"] } == Array("//A JOB\n//S1 EXEC PGM=X\n//\n".utf8))
        pieces.withLock { $0 = [Array("NEW\r\n".utf8)] }
        try await FTPTransfer(server.logOn, pathname: "/abs/x").send(appending: true, next: next)
        #expect(server.state.withLock { $0.files["/abs/x"] } == Array("OLD\nNEW\n".utf8))
        await server.stop()
    }

    @Test func `a long file passes in pieces both ways`() async throws {
        let line = [UInt8](repeating: 0x41, count: 99) + [0x0D, 0x0A]
        let text = (0..<20_000).flatMap { _ in line }
        let server = try ScriptedFTP()
        let at = Mutex(0)
        try await FTPTransfer(server.logOn, pathname: "long").send(appending: false) {
            at.withLock { at in
                defer { at = min(text.count, at + 30_001) }
                return at == text.count ? nil : Array(text[at..<min(text.count, at + 30_001)])
            }
        }
        let taken = try await Self.taken(server, "long")
        #expect(taken == text)
        await server.stop()
    }

    @Test func `a file is removed by its own path`() async throws {
        let server = try ScriptedFTP(files: ["a b": [0x41]])
        try await FTPTransfer(server.logOn, pathname: "a b").delete()
        #expect(server.state.withLock { $0.files.isEmpty })
        await server.stop()
    }

    @Test func `refusals are told apart`() async throws {
        let server = try ScriptedFTP()
        do {
            _ = try await Self.taken(server, "nothing")
            Issue.record("took a file that is not there")
        } catch FTPTransfer.Failure.fileRefused {}
        var stranger = server.logOn
        stranger.password = "wrong"
        do {
            try await FTPTransfer(stranger, pathname: "x").retrieve { _ in }
            Issue.record("a wrong password was taken")
        } catch FTPTransfer.Failure.logOnRefused {}
        for path in ["", "a\r\nDELE b"] {
            #expect(throws: FTPTransfer.Failure.self) { try FTPTransfer(server.logOn, pathname: path) }
        }
        await server.stop()
    }

    @Test func `a transfer that breaks is no whole file`() async throws {
        let server = try ScriptedFTP(files: ["x": [UInt8](repeating: 0x41, count: 10_000)], cutsAfter: 5_000)
        await #expect(throws: FTPTransfer.Failure.self) { try await Self.taken(server, "x") }
        await server.stop()
    }

    @Test func `who takes the pieces can end the transfer`() async throws {
        struct Enough: Error {}
        let server = try ScriptedFTP(files: ["x": [UInt8](repeating: 0x41, count: 10_000)])
        await #expect(throws: Enough.self) {
            try await FTPTransfer(server.logOn, pathname: "x").retrieve { _ in throw Enough() }
        }
        await server.stop()
    }
}
