import Crypto
import Jobs

/// The user's submission key, shortened: 128 bits of a SHA-256, so that a million remembered keys stay small.
struct KeyID: Hashable, Sendable {
    let high: UInt64
    let low: UInt64

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(user: String, key: String) {
        var hash = SHA256()
        hash.update(data: Array(user.utf8))
        hash.update(data: [0])
        hash.update(data: Array(key.utf8))
        (high, low) = KeyID.halves(Array(hash.finalize()))
    }

    fileprivate static func halves(_ digest: [UInt8]) -> (UInt64, UInt64) {
        func half(_ start: Int) -> UInt64 { digest.dropFirst(start).prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }
        return (half(0), half(8))
    }
}

/// What a key is bound to.
struct KeyEntry: Equatable, Sendable {
    /// nil: the key is void.
    var number: HostJobNumber?
    var serial: UInt64
    var name: String
    var cards: Int
    /// 128 bits of the block's SHA-256.
    var blockHigh: UInt64
    var blockLow: UInt64
    /// When it is forgotten; nil while its job has not ended.
    var expiresAt: Timestamp?
    /// The commit that makes the binding safe; 0 for one read from the journal.
    var commit: UInt64

    init(number: HostJobNumber, serial: UInt64, name: String, cards: Int, block: ContentHash, commit: UInt64) {
        self.number = number
        self.serial = serial
        self.name = name
        self.cards = cards
        (blockHigh, blockLow) = KeyID.halves(block.octets)
        self.commit = commit
    }

    /// A void key.
    init(voidUntil expiry: Timestamp, commit: UInt64) {
        serial = 0
        name = ""
        cards = 0
        blockHigh = 0
        blockLow = 0
        expiresAt = expiry
        self.commit = commit
    }

    func isBound(to block: ContentHash) -> Bool { (blockHigh, blockLow) == KeyID.halves(block.octets) }

    func write(to writer: inout RecordWriter) {
        writer.number(number?.value ?? 0)
        writer.number(serial)
        writer.text(name)
        writer.number(cards)
        writer.number(blockHigh)
        writer.number(blockLow)
        writer.number(expiresAt.map { Int($0.microseconds) } ?? .max)
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        number = HostJobNumber(value: try reader.number())
        serial = try reader.unsigned()
        name = try reader.text()
        cards = try reader.number()
        blockHigh = try reader.unsigned()
        blockLow = try reader.unsigned()
        let expiry = try reader.time()
        expiresAt = expiry.microseconds == .max ? nil : expiry
        commit = 0
    }
}

/// The keys of all users. Bound at acceptance; forgotten KEEP after the job's end, or after VOID.
struct KeyTable: Sendable {
    private(set) var entries: [KeyID: KeyEntry] = [:]
    /// In the order of their expiry: KEEP is the same for all.
    private var expiries = FIFO<(at: Timestamp, id: KeyID)>()

    subscript(id: KeyID) -> KeyEntry? { entries[id] }

    mutating func bind(_ id: KeyID, to entry: KeyEntry) {
        entries[id] = entry
        if let expiry = entry.expiresAt { expiries.append((expiry, id)) }
    }

    mutating func jobEnded(_ id: KeyID, expiresAt expiry: Timestamp) {
        guard entries[id] != nil else { return }
        entries[id]?.expiresAt = expiry
        expiries.append((expiry, id))
    }

    /// Forgets what is due.
    ///
    /// - Returns: the numbers that those keys named.
    mutating func forget(at now: Timestamp) -> [HostJobNumber] {
        var freed: [HostJobNumber] = []
        while let first = expiries.first, first.at <= now {
            expiries.removeFirst()
            guard let entry = entries[first.id], entry.expiresAt == first.at else { continue }
            entries[first.id] = nil
            if let number = entry.number { freed.append(number) }
        }
        return freed
    }
}

/// First in, first out; an array with a moving head.
struct FIFO<Element> {
    private var elements: [Element?] = []
    private var head = 0

    var first: Element? { head < elements.count ? elements[head] : nil }
    var count: Int { elements.count - head }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ element: Element) { elements.append(element) }

    @discardableResult
    mutating func removeFirst() -> Element? {
        guard head < elements.count else { return nil }
        let element = elements[head]
        elements[head] = nil
        head += 1
        if head > 64 && head * 2 > elements.count {
            elements.removeFirst(head)
            head = 0
        }
        return element
    }
}
extension FIFO: Sendable where Element: Sendable {}
