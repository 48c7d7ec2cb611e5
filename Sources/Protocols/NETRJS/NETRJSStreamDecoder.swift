extension NETRJS {
    /// What is wrong with a stream of transactions; the stream is of no further use.
    package enum StreamFault: Error, Equatable, Sendable {
        /// NRJ507: neither data nor END-OF-DATA.
        case type(header: [UInt8])
        /// NRJ505.
        case sequence(header: [UInt8])
        /// NRJ506: longer than a transaction may be, or no whole octets.
        case length(header: [UInt8])
        /// NRJ511: no whole octets of filler.
        case filler(header: [UInt8])
        /// NRJ602: a record, counted from 1, that cannot be read.
        case record(line: Int, code: Code)

        package enum Code: Int, CaseIterable, Sendable {
            /// No op-code, or that of another device.
            case operation = 1
            /// It goes on behind the transaction's end.
            case cut = 2
            /// A string code that does not exist.
            case string = 4
            /// Over 255 octets by a run of blanks, a repetition, a literal.
            case blanks = 5
            case repetition = 6
            case literal = 7
            /// Longer than a card; ours, in no RFC.
            case card = 9
        }

        /// The number of the console message that tells it.
        package var message: Int {
            switch self {
            case .sequence: 505
            case .length: 506
            case .type: 507
            case .filler: 511
            case .record: 602
            }
        }

        /// What NRJ512 shows.
        package var header: [UInt8]? {
            switch self {
            case .type(let header), .sequence(let header), .length(let header), .filler(let header): header
            case .record: nil
            }
        }
    }

    /// Takes the transactions of one opening of a channel apart: append what came, ask `next()` until it answers nil.
    ///
    /// Memory is bounded by one transaction and the piece appended. What follows END-OF-DATA is dropped.
    package struct StreamDecoder: Equatable, Sendable {
        package enum Item: Equatable, Sendable {
            /// Without the blanks that the sender left out.
            case record([UInt8])
            case endOfData
        }

        package let device: Device
        package let blank: UInt8
        /// Octets of a record; longer ones are a fault.
        package let longest: Int
        /// Records handed out.
        package private(set) var records = 0
        /// Transactions begun.
        package private(set) var transactions = 0
        package private(set) var hasEnded = false

        private var buffer: [UInt8] = []
        private var at = 0
        /// Where the records of the transaction that is being read end in `buffer`; nil between transactions.
        private var bodyEnd: Int?
        private var filler = 0
        private var expected: UInt16 = 0
        private var fault: StreamFault?

        /// - Parameter longest: 80 where cards are read.
        package init(_ device: Device, blank: UInt8, longest: Int = longestRecord) {
            self.device = device
            self.blank = blank
            self.longest = longest
        }

        /// Whether the stream stands between two transactions.
        package var isAtBoundary: Bool { bodyEnd == nil && at == buffer.count && filler == 0 }

        package mutating func append(_ octets: some Collection<UInt8>) {
            guard !hasEnded, fault == nil else { return }
            if at > 0 {
                buffer.removeFirst(at)
                if let end = bodyEnd { bodyEnd = end - at }
                at = 0
            }
            buffer.append(contentsOf: octets)
        }

        package mutating func next() throws(StreamFault) -> Item? {
            if let fault { throw fault }
            do throws(StreamFault) {
                return try read()
            } catch {
                fault = error
                buffer = []
                at = 0
                throw error
            }
        }

        private mutating func read() throws(StreamFault) -> Item? {
            while !hasEnded {
                if let end = bodyEnd {
                    guard at < end else {
                        bodyEnd = nil
                        continue
                    }
                    guard buffer.count >= end else { return nil }
                    return .record(try record(upTo: end))
                }
                if filler > 0 {
                    let dropped = min(filler, buffer.count - at)
                    at += dropped
                    filler -= dropped
                    if filler > 0 { return nil }
                    continue
                }
                guard at < buffer.count else { return nil }
                if buffer[at] == endOfData {
                    hasEnded = true
                    buffer = []
                    at = 0
                    return .endOfData
                }
                guard buffer[at] == data else {
                    throw .type(header: Array(buffer[at...].prefix(headerOctets)))
                }
                guard buffer.count - at >= headerOctets else { return nil }
                try header()
            }
            return nil
        }

        /// The last octet should be zero; one that is not does no harm.
        private mutating func header() throws(StreamFault) {
            let header = Array(buffer[at..<at + headerOctets])
            guard header[1] % 8 == 0 else { throw .filler(header: header) }
            guard UInt16(header[2]) << 8 | UInt16(header[3]) == expected else { throw .sequence(header: header) }
            let bits = header[4...7].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let octets = Int(bits / 8)
            let filler = Int(header[1] / 8)
            guard bits % 8 == 0, headerOctets + octets + filler <= longestTransaction else {
                throw .length(header: header)
            }
            at += headerOctets
            bodyEnd = at + octets
            self.filler = filler
            expected &+= 1
            transactions += 1
        }

        private mutating func record(upTo end: Int) throws(StreamFault) -> [UInt8] {
            let line = records + 1
            let operation = buffer[at]
            guard let form = Form(rawValue: operation & 0xC0), operation == form.operation(device) else {
                throw .record(line: line, code: .operation)
            }
            at += 1
            let text: [UInt8]
            switch form {
            case .truncated: text = try truncated(upTo: end, line)
            case .compressed: text = try compressed(upTo: end, line)
            }
            guard text.count <= longest else { throw .record(line: line, code: .card) }
            records = line
            return text
        }

        private mutating func truncated(upTo end: Int, _ line: Int) throws(StreamFault) -> [UInt8] {
            guard at < end, end - at - 1 >= Int(buffer[at]) else { throw .record(line: line, code: .cut) }
            let count = Int(buffer[at])
            defer { at += 1 + count }
            return Array(buffer[at + 1..<at + 1 + count])
        }

        private mutating func compressed(upTo end: Int, _ line: Int) throws(StreamFault) -> [UInt8] {
            var text: [UInt8] = []
            while true {
                guard at < end else { throw .record(line: line, code: .cut) }
                let code = buffer[at]
                at += 1
                switch code {
                case 0: return text
                case 0x01...0x7F: throw .record(line: line, code: .string)
                case 0x80...0xBF:
                    let count = Int(code & 0x3F)
                    guard text.count + count <= longestRecord else { throw .record(line: line, code: .literal) }
                    guard end - at >= count else { throw .record(line: line, code: .cut) }
                    text.append(contentsOf: buffer[at..<at + count])
                    at += count
                case 0xC0...0xDF:
                    let count = Int(code & 0x1F)
                    guard text.count + count <= longestRecord else { throw .record(line: line, code: .blanks) }
                    text.append(contentsOf: repeatElement(blank, count: count))
                default:
                    let count = Int(code & 0x1F)
                    guard at < end else { throw .record(line: line, code: .cut) }
                    guard text.count + count <= longestRecord else { throw .record(line: line, code: .repetition) }
                    text.append(contentsOf: repeatElement(buffer[at], count: count))
                    at += 1
                }
            }
        }
    }
}
