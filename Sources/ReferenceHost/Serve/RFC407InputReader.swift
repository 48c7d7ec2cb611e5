import Lines
import Protocols
import Wire

/// Fetches one input stream, takes its NET cards, finds its jobs and hands them to the batch system.
///
/// The NET cards at the front hold for all jobs of the stream. A deck is in memory from its job card to its end, because
/// the batch system takes it whole; nothing else of the stream is.
struct RFC407InputReader: Sendable {
    enum Progress: Sendable {
        case opened
        /// 440 to 442.
        case refused(RFC407.Reply)
        /// The last deck is complete; from here on it cannot be called back.
        case closing
        /// A job that is not the last of the stream.
        case accepted([RFC407.Reply], job: String)
        case ended([RFC407.Reply], job: String?)
    }

    private struct Failure: Error { let reply: RFC407.Reply }

    private let shared: RFC407Server.Shared
    private let source: RFC407.FileID
    private let settings: RFC407.JobSettings
    private let user: String
    private let peer: IPAddress
    private let loop: EventLoop
    private weak let session: RFC407Session?
    private let format: RFC407.StreamFormat

    init(
        _ shared: RFC407Server.Shared, source: RFC407.FileID, settings: RFC407.JobSettings, user: String,
        session: RFC407Session
    ) {
        self.shared = shared
        self.source = source
        self.settings = settings
        self.user = user
        peer = session.peer
        loop = session.loop
        self.session = session
        format = RFC407.StreamFormat(source.attributes, .input, dialect: shared.settings.dialect)
    }

    /// - Parameter tell: hears what happens; false means that the input was aborted.
    func run(_ tell: @Sendable (Progress) async -> Bool) async {
        var stream = Stream(self)
        do {
            switch source {
            case .socket: try await readDirectly(&stream, tell)
            case .path: try await readByFTP(&stream, tell)
            }
            guard !Task.isCancelled, await tell(.closing) else { return }
            try await submitLast(&stream, tell)
        } catch let failure as Failure {
            switch failure.reply.code {
            case 440...442: _ = await tell(.refused(failure.reply))
            default: _ = await tell(.ended([failure.reply], job: nil))
            }
        } catch {
            _ = await tell(.ended([RFC407.Reply(460, "Input not completed: \(error)")], job: nil))
        }
    }

    private func readDirectly(
        _ stream: inout Stream, _ tell: @Sendable (Progress) async -> Bool
    ) async throws {
        let line: TCPLine
        do {
            line = try await shared.desk.connect(to: source, for: peer, on: loop)
        } catch let refusal as RFC407Refusal {
            throw Failure(reply: RFC407.Reply(442, refusal.text))
        } catch {
            throw Failure(reply: RFC407.Reply(442, "Cannot connect to \(source.text): \(error)"))
        }
        // Dropped by a reset, so that the sender notices; after a complete deck by an orderly end.
        var isComplete = false
        defer { if isComplete { line.close() } else { line.abort() } }
        guard await tell(.opened) else { return }
        while let octets = try await line.read(within: shared.stallLimit) {
            if Task.isCancelled { return }
            if shared.cuts(.deck(octets: octets.count)) { throw LineError.reset }
            if let full = try stream.append(octets) { try await submit(full, &stream, tell) }
            if stream.isComplete { break }
        }
        if Task.isCancelled { return }
        if let full = try stream.finish() { try await submit(full, &stream, tell) }
        if shared.cuts(.deckEnd) { throw LineError.reset }
        isComplete = true
    }

    private func readByFTP(_ stream: inout Stream, _ tell: @Sendable (Progress) async -> Bool) async throws {
        let file: RFC407FTPFile
        do {
            file = try await shared.desk.ftpFile(
                source, for: peer, user: settings.inUser ?? user, password: settings.inPassword ?? "")
        } catch let refusal as RFC407Refusal {
            throw Failure(reply: RFC407.Reply(441, refusal.text))
        }
        guard let ftp = shared.settings.ftp else { throw Failure(reply: RFC407.Reply(441, "No FTP here")) }
        let pieces = RFC407Pieces()
        let begun: @Sendable () async -> Void = { await pieces.begin() }
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    do throws(RFC407FTPFault) {
                        try await ftp.retrieve(file, begun: begun) { try await pieces.put($0) }
                        await pieces.end(nil)
                    } catch {
                        await pieces.end(error)
                    }
                }
                guard try await pieces.hasBegun(), await tell(.opened) else {
                    await pieces.drop()
                    return group.cancelAll()
                }
                while let octets = try await pieces.take() {
                    if let full = try stream.append(octets) { try await submit(full, &stream, tell) }
                }
                if let full = try stream.finish() { try await submit(full, &stream, tell) }
            }
        } catch let fault as RFC407FTPFault {
            await pieces.drop()
            switch fault {
            case .logOnRefused(let words): throw Failure(reply: RFC407.Reply(440, "FTP log-on refused: \(words)"))
            case .fileRefused(let words): throw Failure(reply: RFC407.Reply(441, "File not reachable: \(words)"))
            case .failed(let words):
                throw Failure(reply: RFC407.Reply(await pieces.isBegun ? 460 : 441, "FTP failed: \(words)"))
            }
        } catch {
            await pieces.drop()
            throw error
        }
    }

    // MARK: jobs

    private func submit(
        _ decks: [[UInt8]], _ stream: inout Stream, _ tell: @Sendable (Progress) async -> Bool
    ) async throws {
        for deck in decks {
            let (replies, job) = try await submit(deck, stream.cards)
            if let job {
                _ = await tell(.accepted(replies, job: job))
                shared.desk.announce(job)
            } else {
                throw Failure(reply: replies.first ?? RFC407.Reply(461, "Deck unacceptable"))
            }
        }
    }

    private func submitLast(_ stream: inout Stream, _ tell: @Sendable (Progress) async -> Bool) async throws {
        let (replies, job) = try await submit(stream.takeDeck(), stream.cards)
        _ = await tell(.ended(replies, job: job))
        if let job { shared.desk.announce(job) }
    }

    private func submit(_ deck: [UInt8], _ cards: RFC407.NetCards) async throws -> ([RFC407.Reply], String?) {
        var submission = Submission(user: user, block: deck)
        submission.code = code
        submission.longestCard = shared.batch.settings.longestCard
        let pending = shared.batch.submit(submission)
        switch pending.answer {
        case .refused(let refusal):
            let place = refusal.card.map { ", card \($0)" } ?? ""
            return ([RFC407.Reply(461, "Deck unacceptable: \(refusal.text)\(place)")], nil)
        case .notTakingJobs(let words): return ([RFC407.Reply(460, "Input not completed: \(words)")], nil)
        case .accepted(let receipt):
            let job = "\(receipt.number)"
            var kept = cards.settings
            (kept.inUser, kept.inPassword) = (nil, nil)
            shared.desk.add(job, user: user, settings: kept, peer: peer, tellingTo: session)
            do { _ = try await shared.batch.wait(for: pending) } catch {
                return ([RFC407.Reply(460, "The spool cannot be written")], nil)
            }
            return (
                [RFC407.Reply(260, "Job \(job) accepted")]
                    + cards.faults.map { RFC407.Reply($0.code, "Job \(job): \($0.text)") }, job
            )
        }
    }

    /// The code in which decks of this stream lie.
    var code: CodePage {
        let own = shared.batch.settings.code
        return format.isEBCDIC ? (own == .ascii ? .cp037 : own) : .ascii
    }

    // MARK: the stream

    /// Cuts the stream into records and decks.
    private struct Stream {
        private var reader: RFC407.StreamReader
        private(set) var cards: RFC407.NetCards
        private var isPastCards = false
        private var deck: [UInt8] = []
        private var hasJob = false
        /// What ends the data of a DD DATA, while one is read.
        private var delimiter: [UInt8]?
        private let code: CodePage
        private let format: RFC407.StreamFormat
        private let most: Int
        private let toLatin1: [UInt8]

        init(_ input: RFC407InputReader) {
            code = input.code
            format = input.format
            most = input.shared.batch.settings.mostDeckOctets
            toLatin1 = code == .ascii ? [] : Translation.toLatin1(code)
            reader = RFC407.StreamReader(format, longestRecord: 4_096)
            cards = RFC407.NetCards(input.settings)
        }

        var isComplete: Bool { reader.isComplete }

        mutating func append(_ octets: [UInt8]) throws -> [[UInt8]]? {
            reader.append(octets)
            var full: [[UInt8]] = []
            while let record = try reader.next() { try take(record, &full) }
            return full.isEmpty ? nil : full
        }

        mutating func finish() throws -> [[UInt8]]? {
            var full: [[UInt8]] = []
            if let record = try reader.finish() { try take(record, &full) }
            cards.finish()
            return full.isEmpty ? nil : full
        }

        mutating func takeDeck() -> [UInt8] {
            defer { deck = [] }
            return deck
        }

        private mutating func take(_ record: [UInt8], _ full: inout [[UInt8]]) throws {
            var record = record
            switch format.mode {
            case .asa: record = Array(record.dropFirst())
            case .text: record.removeAll { $0 == 0x0C || $0 == 0x0D }
            case .records: break
            }
            if record.contains(code.recordEnd) {
                throw Failure(reply: RFC407.Reply(461, "Deck unacceptable: a card holds a line end"))
            }
            let plain = toLatin1.isEmpty ? record : record.map { toLatin1[Int($0)] }
            if !isPastCards {
                if cards.take(plain) { return }
                isPastCards = true
            }
            if startsJob(plain), hasJob { full.append(takeDeck()) }
            if startsJob(plain) { hasJob = true }
            follow(plain)
            deck += record
            deck.append(code.recordEnd)
            guard deck.count <= most else { throw Failure(reply: RFC407.Reply(461, "Deck unacceptable: too long")) }
        }

        private func startsJob(_ card: [UInt8]) -> Bool {
            guard delimiter == nil, card.starts(with: [0x2F, 0x2F]), let name = JCLReader.jobName(on: card[...]) else {
                return false
            }
            return isName(name)
        }

        /// Cards behind a DD DATA are data up to its delimiter.
        private mutating func follow(_ card: [UInt8]) {
            if let end = delimiter {
                if card.starts(with: end) { delimiter = nil }
                return
            }
            guard card.starts(with: [0x2F, 0x2F]) else { return }
            let words = String(decoding: card, as: UTF8.self).split(separator: " ")
            guard words.count > 2, words[1] == "DD", words[2] == "DATA" || words[2].hasPrefix("DATA,") else { return }
            let given = words[2].split(separator: ",").first { $0.hasPrefix("DLM=") }
            delimiter = given.map { Array($0.dropFirst(4).filter { $0 != "'" }.utf8) } ?? [0x2F, 0x2A]
            if delimiter == [] { delimiter = [0x2F, 0x2A] }
        }
    }
}

/// Octets on their way from an FTP transfer to their reader: one piece at a time.
actor RFC407Pieces {
    private var piece: [UInt8]?
    private(set) var isBegun = false
    private var end: RFC407FTPFault??
    private var isDropped = false
    private var taker: CheckedContinuation<Void, Never>?
    private var giver: CheckedContinuation<Void, Never>?

    struct Dropped: Error {}

    func begin() {
        isBegun = true
        wakeTaker()
    }

    func put(_ octets: [UInt8]) async throws {
        while piece != nil, !isDropped { await withCheckedContinuation { giver = $0 } }
        if isDropped { throw Dropped() }
        isBegun = true
        piece = octets
        wakeTaker()
    }

    func end(_ fault: RFC407FTPFault?) {
        if end == nil { end = .some(fault) }
        wakeTaker()
    }

    /// Nobody takes any more.
    func drop() {
        isDropped = true
        giver?.resume()
        giver = nil
    }

    /// False when it ended before it began and without a fault.
    func hasBegun() async throws -> Bool {
        while !isBegun {
            if let end {
                if let fault = end { throw fault }
                return true
            }
            await withCheckedContinuation { taker = $0 }
        }
        return true
    }

    func take() async throws -> [UInt8]? {
        while true {
            if let octets = piece {
                piece = nil
                giver?.resume()
                giver = nil
                return octets
            }
            if let end {
                if let fault = end { throw fault }
                return nil
            }
            await withCheckedContinuation { taker = $0 }
        }
    }

    private func wakeTaker() {
        taker?.resume()
        taker = nil
    }
}
