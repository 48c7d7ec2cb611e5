import Lines
import Protocols
import ReferenceHost
import TestKit
import Testing

/// An FTP server in memory that breaks one transfer, after so many pieces.
final class BreakingFTP: RFC407FTP {
    enum Way: String, CaseIterable, Sendable { case retrieve, append }

    private struct State {
        var breaks: (way: Way, after: Int)?
        /// What APPE brought, each time.
        var appended: [(octets: [UInt8], isWhole: Bool)] = []
        /// Pieces of the longest transfer.
        var pieces: [Way: Int] = [:]
    }

    private let deck: [UInt8]
    private let state: Locked<State>
    /// Octets of a deck that come at once.
    private static let pieceOctets = 24

    init(deck: [UInt8], breaking way: Way? = nil, after pieces: Int = 0) {
        self.deck = deck
        state = Locked(State(breaks: way.map { ($0, pieces) }))
    }

    var hasBroken: Bool { state.withLock { $0.breaks == nil } }
    var appended: [(octets: [UInt8], isWhole: Bool)] { state.withLock { $0.appended } }
    func pieces(_ way: Way) -> Int { state.withLock { $0.pieces[way, default: 0] } }

    private func breaks(_ way: Way, after pieces: Int) -> Bool {
        state.withLock { state in
            state.pieces[way] = max(state.pieces[way, default: 0], pieces)
            guard let next = state.breaks, next == (way, pieces) else { return false }
            state.breaks = nil
            return true
        }
    }

    func retrieve(
        _ file: RFC407FTPFile, begun: @Sendable () async -> Void, piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(RFC407FTPFault) {
        guard file.pathname == "deck" else { throw .fileRefused("550 no such file") }
        await begun()
        var number = 0
        for start in stride(from: 0, to: deck.count, by: Self.pieceOctets) {
            if breaks(.retrieve, after: number) { throw .failed("cut") }
            do { try await piece(Array(deck[start..<min(deck.count, start + Self.pieceOctets)])) } catch {
                throw .failed("\(error)")
            }
            number += 1
        }
        // All octets were there, and the word that it was all of them was not.
        if breaks(.retrieve, after: number) { throw .failed("no 226") }
    }

    func append(
        _ file: RFC407FTPFile, next: @Sendable () async throws -> [UInt8]?
    ) async throws(RFC407FTPFault) {
        var octets: [UInt8] = []
        var number = 0
        var isWhole = false
        defer { state.withLock { $0.appended.append((octets, isWhole)) } }
        while true {
            if breaks(.append, after: number) { throw .failed("cut") }
            do {
                guard let piece = try await next() else { break }
                octets += piece
            } catch {
                throw .failed("\(error)")
            }
            number += 1
        }
        isWhole = true
    }
}

/// The FTP half of RFC 407, cut before each piece and before the last word, both ways.
@Suite(.timeLimit(.minutes(2))) struct RFC407FTPCutTests {
    private static let deck = "//F JOB 1\r\n//S EXEC PGM=LINES,PARM='4000'\r\n//SYSPRINT DD SYSOUT=A\r\n"

    private static func lines(_ file: (octets: [UInt8], isWhole: Bool)?) -> Int {
        file?.octets.count { $0 == 0x0A } ?? 0
    }

    /// One job by FTP, both ways.
    /// - Returns: how often the deck had to be asked for.
    private func story(_ ftp: BreakingFTP, _ comment: Comment) async throws -> Int {
        try await withRFC407Host { _, own in
            own.ftp = ftp
        } _: { host, address in
            let hand = try await RFC407Hand(address)
            try await hand.signOn()
            #expect(try await hand.ask("OUT=H7F000001:T/out").hasPrefix("200"), comment)
            var tries = 0
            var answer = ""
            while !answer.hasPrefix("260") {
                tries += 1
                try #require(tries <= 3, comment)
                try await hand.send("INPUT=H7F000001:T/deck")
                answer = try await hand.wait(for: 260, 440, 441, 460, 461)
                let known = try #require(host.batch).status(of: "RMT1").reports.count
                #expect(known == (answer.hasPrefix("260") ? 1 : 0), comment)
            }
            _ = try await hand.wait(for: 261)
            try await eventually("the print-out at the FTP server") { ftp.appended.contains(where: \.isWhole) }
            #expect(try await hand.wait(for: 60).contains("delivered"), comment)
            return tries
        }
    }

    @Test(arguments: BreakingFTP.Way.allCases)
    func `a job that goes by FTP is lost nowhere and runs once`(_ way: BreakingFTP.Way) async throws {
        let whole = BreakingFTP(deck: Array(Self.deck.utf8))
        _ = try await story(whole, "nothing is cut")
        let lines = Self.lines(whole.appended.first)
        var stories = 0
        for place in 0...whole.pieces(way) {
            let ftp = BreakingFTP(deck: Array(Self.deck.utf8), breaking: way, after: place)
            let comment: Comment = "\(way) cut after \(place) pieces"
            let tries = try await story(ftp, comment)
            #expect(ftp.hasBroken, comment)
            #expect(tries == (way == .retrieve ? 2 : 1), comment)
            // A part that was cut off stands before it where the server appends: that is APPE, and the note says so.
            #expect(ftp.appended.count == (way == .append ? 2 : 1), comment)
            #expect(ftp.appended.last?.isWhole == true && Self.lines(ftp.appended.last) == lines, comment)
            stories += 1
        }
        #expect(stories > 3 && lines > 4000)
        print("rfc407 cut: ftp \(way.rawValue): \(stories) cuts, lost 0, doubled 0")
    }
}
