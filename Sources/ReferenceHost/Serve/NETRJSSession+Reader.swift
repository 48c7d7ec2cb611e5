import Jobs
import Lines
import Protocols
import Wire

/// The card reader: transactions come in, a stack of jobs goes to the batch system one by one.
extension NETRJSSession {
    func readCards() async {
        guard let line = channels[.reader]?.line, let terminal else { return }
        channels[.reader]?.phase = .running
        var decoder = NETRJS.StreamDecoder(.reader, blank: set.blank, longest: NETRJS.longestCard)
        var stack = JobStack(code: shared.batch.settings.code, mostOctets: shared.batch.settings.mostDeckOctets)
        var echo: [[UInt8]] = []
        func abandon(_ words: [String], says: Bool = true) {
            line.abort()
            for word in words where says { say(word) }
            if let job = stack.name {
                let told = "NRJ502I READER1, \(terminal.id), JOB \(job) DISCARDED"
                if self.terminal == nil { shared.outputs.keep(told, for: terminal.id) } else { say(told) }
            }
        }
        while true {
            let octets: [UInt8]?
            do throws(LineError) {
                octets = try await line.read(within: shared.settings.dataLimit)
            } catch {
                if error == .deadline { return abandon(["NRJ504A READER1, \(terminal.id), TIMED OUT"]) }
                return abandon(["NRJ502A READER1, \(terminal.id), ABORTED"], says: channels[.reader]?.order != .abort)
            }
            guard let octets else { return abandon(["NRJ502A READER1, \(terminal.id), ABORTED"]) }
            decoder.append(octets)
            do throws(NETRJS.StreamFault) {
                while let item = try decoder.next() {
                    guard case .record(let record) = item else {
                        if let last = stack.finish() { await enter(last, terminal) }
                        echoCards(echo, terminal)
                        return await closeReader(line)
                    }
                    let card = record.map { translation.toHost[Int($0)] }
                    if channels[.reader]?.order == .skipDataSet || channels[.reader]?.order == .skipAll {
                        channels[.reader]?.order = nil
                        stack.ignore()
                    }
                    if !echoes.isEmpty, echo.count < 100_000 { echo.append(card) }
                    if let complete = stack.append(card) { await enter(complete, terminal) }
                }
            } catch {
                let shown = error.header.map { ["NRJ512A \(Hex.encode($0).uppercased())"] } ?? []
                switch error {
                case .record(let record, let code):
                    return abandon(["NRJ602A LINE \(record) READER1 CODE \(code.rawValue)"])
                case .type, .sequence, .length, .filler:
                    return abandon(shown + ["NRJ\(error.message)A READER1, \(terminal.id), BAD HEADER"])
                }
            }
        }
    }

    /// The terminal may wait for our close or close first.
    private func closeReader(_ line: TCPLine) async {
        channels[.reader]?.phase = .closing
        await line.finishSending()
        await drop(line, within: shared.settings.halfCloseLimit)
        line.close()
    }

    private func enter(_ job: JobStack.Complete, _ terminal: NETRJSHostSettings.Terminal) async {
        let outputs = shared.outputs
        guard let name = job.name else { return say("RJS535I JOB ?        REJECTED NO JOB CARD") }
        if job.isTooLong { return say("RJS535I JOB \(left(name, 8)) REJECTED TOO MANY CARDS") }
        let details = NETRJSOutputs.Details(
            name: name, origin: terminal.id, destination: destination ?? terminal.id, isDeferred: entersDeferred,
            identification: job.identification)
        guard let key = outputs.enter(details) else {
            return say("RJS535I JOB \(left(name, 8)) REJECTED DUPLICATE JOB NAME")
        }
        var submission = Submission(user: terminal.id, key: key, block: job.block)
        submission.code = shared.batch.settings.code
        submission.longestCard = NETRJS.longestCard
        let pending = shared.batch.submit(submission)
        do {
            switch try await shared.batch.wait(for: pending) {
            case .accepted(let receipt):
                say("RJS534I JOB \(left(receipt.name, 8)) ACCEPTED - \(pad(receipt.cards, 7)) CARDS")
            case .refused(let refusal):
                outputs.drop(key)
                say("RJS535I JOB \(left(name, 8)) REJECTED \(refusal.text.uppercased())")
            case .notTakingJobs(let words):
                outputs.drop(key)
                say("RJS535I JOB \(left(name, 8)) REJECTED \(words.uppercased())")
            }
        } catch {
            outputs.drop(key)
            say("RJS535I JOB \(left(name, 8)) REJECTED THE SPOOL CANNOT BE WRITTEN")
        }
    }

    /// EAM: what was read, as print-out or cards.
    private func echoCards(_ cards: [[UInt8]], _ terminal: NETRJSHostSettings.Terminal) {
        guard !cards.isEmpty, !echoes.isEmpty else { return }
        let place = SpoolPlace(directory: nil)
        let entries = echoes.sorted { $0.rawValue < $1.rawValue }.compactMap { device -> NETRJSOutputs.Entry? in
            let code = shared.batch.settings.code
            let writer = SpoolWriter(
                device == .printer ? .print : .punch, step: nil, ddName: "EAM", page: code, place: place, name: "")
            // the writer takes the host's inner code
            let table = Translation.toLatin1(code)
            for card in cards { writer.line(0x20, card.map { code == .ascii ? $0 : table[Int($0)] }) }
            guard let file = try? writer.finish() else { return nil }
            return NETRJSOutputs.Entry(
                id: 0, number: nil, name: "EAM", identification: "", device: device, files: [file],
                origin: terminal.id, terminal: terminal.id, isDeferred: false)
        }
        echoes = []
        shared.outputs.add(entries)
    }
}

/// Finds the jobs in a stack of cards by their job cards.
struct JobStack {
    struct Complete {
        /// nil: the stack began without a job card.
        let name: String?
        let identification: String
        let block: [UInt8]
        let isTooLong: Bool
    }

    private let code: CodePage
    private let mostOctets: Int
    private let table: [UInt8]
    private var reader = JobCardReader()
    private var block: [UInt8] = []
    private var isTooLong = false
    /// Of the job being read.
    private(set) var name: String?
    private var identification = ""
    private var hasCards = false
    private var isIgnored = false

    init(code: CodePage, mostOctets: Int) {
        self.code = code
        self.mostOctets = mostOctets
        table = Translation.toLatin1(code)
    }

    /// The job being read is not to be taken.
    mutating func ignore() {
        isIgnored = true
        block = []
    }

    /// - Returns: the job before, when this card begins another.
    mutating func append(_ card: [UInt8]) -> Complete? {
        let text = code == .ascii ? card : card.map { table[Int($0)] }
        var complete: Complete?
        if case .job(let name) = reader.read(text) {
            complete = finish()
            self.name = name
            let definition = JCLReader.read(CardDeck(lines: [String(decoding: text, as: UTF8.self)]))
            identification = String(definition.programmer.prefix(40))
        }
        hasCards = true
        guard !isIgnored, !isTooLong else { return complete }
        isTooLong = block.count + card.count >= mostOctets
        for octet in card { block.append(octet == code.recordEnd ? code.blank : octet) }
        block.append(code.recordEnd)
        return complete
    }

    mutating func finish() -> Complete? {
        defer {
            block = []
            name = nil
            hasCards = false
            isTooLong = false
            isIgnored = false
            identification = ""
        }
        guard hasCards, !isIgnored else { return nil }
        return Complete(name: name, identification: identification, block: block, isTooLong: isTooLong)
    }
}
