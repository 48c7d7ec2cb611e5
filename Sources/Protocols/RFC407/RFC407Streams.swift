extension RFC407 {
    /// How records lie on a direct connection. Section 5.4.
    package struct StreamFormat: Equatable, Sendable {
        /// For modes N and A.
        package enum Dialect: String, CaseIterable, Sendable {
            /// FTP blocks with the descriptor bits of RFC 542 and 959.
            case block959
            /// FTP blocks with the descriptor numbers of RFC 354.
            case block354
            /// Records of one length without headers, as UCSB had it.
            case fixed
        }

        package let mode: Mode
        package let isEBCDIC: Bool
        package let dialect: Dialect
        package let direction: Direction

        package init(_ attributes: Attributes, _ direction: Direction, dialect: Dialect = .block959) {
            mode = attributes.mode(for: direction)
            isEBCDIC = attributes.isEBCDIC
            self.dialect = dialect
            self.direction = direction
        }

        /// Octets of a record of dialect `fixed`.
        package var fixedLength: Int {
            switch (direction, mode) {
            case (.input, .asa): 81
            case (.input, _): 80
            case (.output, .asa): 133
            case (.output, _): 132
            }
        }

        /// Whether the file says itself where it ends. If not, the connection's orderly end is the file's.
        package var hasEnd: Bool { mode != .text && dialect != .fixed }
    }

    package enum StreamFault: Error, Equatable, Sendable {
        /// A descriptor that the dialect lacks.
        case badDescriptor(UInt8)
        case recordTooLong(limit: Int)
        /// The connection ended, and the file or its last record had not.
        case cut
        /// Octets behind the end of the file.
        case pastEnd
    }

    /// Writes records as octets. `finish` gives those that make the file complete: in a block dialect the last record is
    /// kept back for them.
    package struct StreamWriter: Equatable, Sendable {
        package let format: StreamFormat
        private var last: [UInt8]?
        private var hasFinished = false

        package init(_ format: StreamFormat) { self.format = format }

        private var blank: UInt8 { format.isEBCDIC ? 0x40 : 0x20 }

        /// - Parameter record: with its carriage control in mode A, with FF before it for a new page in mode T.
        /// - Throws: `recordTooLong` in dialect `fixed`.
        package mutating func append(_ record: [UInt8], to output: inout [UInt8]) throws(StreamFault) {
            if format.mode == .text {
                output += record
                output += format.isEBCDIC ? [0x0D, 0x25] : [0x0D, 0x0A]
            } else if format.dialect == .fixed {
                guard record.count <= format.fixedLength else { throw .recordTooLong(limit: format.fixedLength) }
                output += record
                output += repeatElement(blank, count: format.fixedLength - record.count)
            } else {
                if let last { Self.block(last, end: format.dialect == .block959 ? 128 : 1, &output) }
                last = record
            }
        }

        package mutating func finish(to output: inout [UInt8]) {
            guard format.hasEnd, !hasFinished else { return }
            hasFinished = true
            switch (format.dialect, last) {
            case (.block354, let last):
                if let last { Self.block(last, end: 1, &output) }
                output += [2, 0, 0]
            case (_, let last?): Self.block(last, end: 128 | 64, &output)
            case (_, nil): output += [64, 0, 0]
            }
            last = nil
        }

        /// In as many blocks as its length needs.
        private static func block(_ record: [UInt8], end: UInt8, _ output: inout [UInt8]) {
            var start = 0
            repeat {
                let count = min(65_535, record.count - start)
                let isLast = start + count == record.count
                output += [isLast ? end : 0, UInt8(count >> 8), UInt8(count & 255)]
                output += record[start..<start + count]
                start += count
            } while start < record.count
        }
    }

    /// Reads records out of octets: append what came, ask `next()` until it answers nil, and `finish()` when the connection
    /// has ended in order. The records are the same for any split of the input.
    package struct StreamReader: Equatable, Sendable {
        package let format: StreamFormat
        /// Octets a record may have; bounds memory.
        package let longestRecord: Int
        /// The end of the file was read. Always false where the connection's end is the file's.
        package private(set) var isComplete = false

        private var input: [UInt8] = []
        private var at = 0
        private var record: [UInt8] = []
        /// Something of a record was read, perhaps no octet of it.
        private var isInRecord = false
        private var holdsCarriageReturn = false
        private var block: Block?

        private struct Block: Equatable, Sendable {
            var left: Int
            let endsRecord: Bool
            let endsFile: Bool
            let isMarker: Bool
        }

        package init(_ format: StreamFormat, longestRecord: Int = 65_535) {
            self.format = format
            self.longestRecord = longestRecord
        }

        package mutating func append(_ octets: [UInt8]) {
            if at == input.count {
                input = octets
            } else {
                input.removeFirst(at)
                input += octets
            }
            at = 0
        }

        /// - Returns: nil when more input is needed, or the file is complete.
        package mutating func next() throws(StreamFault) -> [UInt8]? {
            if format.mode == .text { return try nextLine() }
            return format.dialect == .fixed ? nextFixed() : try nextBlock()
        }

        /// The last record, when the connection's end has made one of it.
        package mutating func finish() throws(StreamFault) -> [UInt8]? {
            if format.hasEnd {
                guard isComplete else { throw .cut }
                return nil
            }
            guard format.mode == .text else {
                if at < input.count { throw .cut }
                return nil
            }
            if holdsCarriageReturn { try extend([0x0D]) }
            holdsCarriageReturn = false
            return isInRecord ? takeRecord() : nil
        }

        private mutating func takeRecord() -> [UInt8] {
            defer {
                record = []
                isInRecord = false
            }
            return record
        }

        private mutating func extend(_ octets: some Collection<UInt8>) throws(StreamFault) {
            guard record.count + octets.count <= longestRecord else { throw .recordTooLong(limit: longestRecord) }
            isInRecord = true
            record += octets
        }

        /// In mode T a line end is CR LF; a bare LF, and NEL in EBCDIC, will do.
        private mutating func nextLine() throws(StreamFault) -> [UInt8]? {
            while at < input.count {
                let octet = input[at]
                at += 1
                if format.isEBCDIC ? octet == 0x25 || octet == 0x15 : octet == 0x0A {
                    holdsCarriageReturn = false
                    return takeRecord()
                }
                // a CR that no line end follows stands for a line printed over another
                if holdsCarriageReturn { try extend([0x0D]) }
                holdsCarriageReturn = octet == 0x0D
                if holdsCarriageReturn { isInRecord = true } else { try extend([octet]) }
            }
            return nil
        }

        private mutating func nextFixed() -> [UInt8]? {
            guard input.count - at >= format.fixedLength else { return nil }
            defer { at += format.fixedLength }
            return Array(input[at..<at + format.fixedLength])
        }

        private mutating func nextBlock() throws(StreamFault) -> [UInt8]? {
            while true {
                if isComplete {
                    if at < input.count { throw .pastEnd }
                    return nil
                }
                guard var current = block else {
                    guard input.count - at >= 3 else { return nil }
                    block = try header(input[at], Int(input[at + 1]) << 8 | Int(input[at + 2]))
                    at += 3
                    continue
                }
                let count = min(current.left, input.count - at)
                if count > 0, !current.isMarker { try extend(input[at..<at + count]) }
                at += count
                current.left -= count
                block = current
                if current.left > 0 { return nil }
                block = nil
                if current.isMarker { continue }
                isComplete = current.endsFile
                // of a block without octets that ends the file, section 20 says that it adds no record
                if isInRecord ? current.endsRecord || current.endsFile : current.endsRecord && !current.endsFile {
                    return takeRecord()
                }
            }
        }

        private func header(_ descriptor: UInt8, _ count: Int) throws(StreamFault) -> Block {
            if format.dialect == .block354 {
                guard descriptor <= 4 else { throw .badDescriptor(descriptor) }
                return Block(
                    left: count, endsRecord: descriptor == 1, endsFile: descriptor == 2, isMarker: descriptor == 4)
            }
            guard descriptor & 15 == 0 else { throw .badDescriptor(descriptor) }
            return Block(
                left: count, endsRecord: descriptor & 128 != 0, endsFile: descriptor & 64 != 0,
                isMarker: descriptor & 16 != 0)
        }
    }
}
