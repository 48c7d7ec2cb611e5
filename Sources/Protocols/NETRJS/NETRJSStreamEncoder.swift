extension NETRJS {
    /// A record that no transaction can carry.
    package struct RecordTooLong: Error, Equatable, Sendable {
        package let octets: Int
        package init(octets: Int) { self.octets = octets }
    }

    /// Makes the transactions of one opening of a channel: append records, `finish` for the last and END-OF-DATA.
    ///
    /// Transactions are filled as far as whole records go; what `output` gets can be sent as it is.
    package struct StreamEncoder: Equatable, Sendable {
        package let device: Device
        package let form: Form
        /// Left out at a record's end, and shortened in runs.
        package let blank: UInt8
        /// Each transaction is filled with zeros to a multiple of so many octets; 1: none.
        package let alignment: Int
        /// Records appended so far.
        package private(set) var records = 0

        private var sequence: UInt16 = 0
        private var body: [UInt8] = []

        package init(_ device: Device, form: Form = .truncated, blank: UInt8, alignment: Int = 1) {
            self.device = device
            self.form = form
            self.blank = blank
            // FILLER counts bits in one octet: at most 31 octets
            self.alignment = min(max(1, alignment), 32)
        }

        package mutating func append(
            _ record: some RandomAccessCollection<UInt8>, to output: inout [UInt8]
        ) throws(RecordTooLong) {
            let text = trimmed(record)
            guard text.count <= longestRecord else { throw RecordTooLong(octets: text.count) }
            let start = body.count
            switch form {
            case .truncated:
                body.append(form.operation(device))
                body.append(UInt8(text.count))
                body.append(contentsOf: text)
            case .compressed: compress(text)
            }
            records += 1
            if headerOctets + aligned(body.count) > longestTransaction {
                let last = Array(body[start...])
                body.removeLast(body.count - start)
                flush(to: &output)
                body = last
            }
        }

        /// Sends what is gathered.
        package mutating func flush(to output: inout [UInt8]) {
            guard !body.isEmpty else { return }
            let filler = aligned(body.count) - body.count
            let bits = UInt32(body.count * 8)
            output += [data, UInt8(filler * 8), UInt8(sequence >> 8), UInt8(sequence & 0xFF)]
            output += [UInt8(bits >> 24), UInt8(bits >> 16 & 0xFF), UInt8(bits >> 8 & 0xFF), UInt8(bits & 0xFF), 0]
            output += body
            output.append(contentsOf: repeatElement(0, count: filler))
            body.removeAll(keepingCapacity: true)
            sequence &+= 1
        }

        package mutating func finish(to output: inout [UInt8]) {
            flush(to: &output)
            output.append(endOfData)
        }

        /// Octets of a body with the filler that makes the whole transaction a multiple.
        private func aligned(_ count: Int) -> Int {
            let whole = headerOctets + count
            return (whole + alignment - 1) / alignment * alignment - headerOctets
        }

        private func trimmed<Record: RandomAccessCollection<UInt8>>(_ record: Record) -> Record.SubSequence {
            var end = record.endIndex
            while end > record.startIndex, record[record.index(before: end)] == blank {
                end = record.index(before: end)
            }
            return record[record.startIndex..<end]
        }

        private mutating func compress(_ record: some RandomAccessCollection<UInt8>) {
            let text = Array(record)
            body.append(form.operation(device))
            var literalStart = 0
            var at = 0
            while at < text.count {
                let octet = text[at]
                var end = at + 1
                while end < text.count, text[end] == octet { end += 1 }
                guard end - at >= (octet == blank ? 2 : 4) else {
                    at = end
                    continue
                }
                appendLiterals(text[literalStart..<at])
                while at < end {
                    let count = min(31, end - at)
                    body.append((octet == blank ? 0xC0 : 0xE0) | UInt8(count))
                    if octet != blank { body.append(octet) }
                    at += count
                }
                literalStart = end
            }
            appendLiterals(text[literalStart...])
            body.append(0)
        }

        private mutating func appendLiterals(_ literals: ArraySlice<UInt8>) {
            var rest = literals
            while !rest.isEmpty {
                let piece = rest.prefix(63)
                body.append(0x80 | UInt8(piece.count))
                body.append(contentsOf: piece)
                rest = rest.dropFirst(piece.count)
            }
        }
    }
}
