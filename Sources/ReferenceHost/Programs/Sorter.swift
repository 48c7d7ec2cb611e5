import Wire

/// `SORT FIELDS=(start,length,CH,A|D,...)` and `SORT FIELDS=COPY`, from SORTIN to SORTOUT, in the order of the host's
/// code. Equal records keep their order.
struct Sorter: Program {
    struct Field: Equatable {
        /// From 0.
        let start: Int
        let length: Int
        let isDescending: Bool
    }

    enum Order: Equatable {
        case copy
        case by([Field])
    }

    func run(_ step: Step) async throws -> Int {
        let messages = step.output("SYSOUT", orElse: step.job.definition.messageClass)
        func say(_ text: String) { messages?.line(text) }
        messages?.line("ICE143I 0 BLOCKSET     SORT  TECHNIQUE SELECTED", motion: 0x31)
        say("ICE000I 0 - CONTROL STATEMENTS FOR PORT77 SORT")
        var cards: [[UInt8]] = []
        var control = step.input("SYSIN")
        while let card = control?.next() {
            let text = card.prefix(72)
            messages?.line(octets: Array(repeating: 0x20, count: 10) + text)
            cards.append(Array(text.prefix(71)))
        }
        let order: Order
        switch Sorter.order(of: cards) {
        case .success(let read): order = read
        case .failure(let fault):
            say(fault.text)
            say("ICE751I 0 END OF JOB BY A CONTROL STATEMENT ERROR")
            return 16
        }
        guard var source = step.input("SORTIN") else {
            say("ICE056A 0 SORTIN   NOT DEFINED")
            return 16
        }
        guard step.has("SORTOUT"), let target = step.output("SORTOUT") else {
            say("ICE056A 0 SORTOUT  NOT DEFINED")
            return 16
        }
        var records: [[UInt8]] = []
        while let record = source.next() {
            records.append(Array(record))
            if records.count % 1024 == 0 { try await step.breathe() }
        }
        if case .by(let fields) = order {
            let table = Translation.fromLatin1(step.job.host.code)
            let keys = records.map { Sorter.key(of: $0, fields, table) }
            let sequence = records.indices.sorted { left, right in
                switch Sorter.compare(keys[left], keys[right], fields) {
                case 0: left < right
                case let sign: sign < 0
                }
            }
            records = sequence.map { records[$0] }
        }
        for (index, record) in records.enumerated() {
            target.put(record[...])
            if index % 1024 == 1023 { try await step.breathe() }
        }
        say("ICE055I 0 INSERT 0, DELETE 0")
        say("ICE054I 0 RECORDS - IN: \(records.count), OUT: \(records.count)")
        say("ICE052I 0 END OF PORT77 SORT")
        return 0
    }

    struct Fault: Error, Equatable { let text: String }

    /// Reads the control cards; a statement goes on when its operands end with a comma.
    static func order(of cards: [[UInt8]]) -> Result<Order, Fault> {
        var text = ""
        for card in cards where card.first != 0x2A {
            let words = String(decoding: card, as: UTF8.self).split(separator: " ")
            for word in words { text += text.hasSuffix(",") || text.isEmpty ? word : " " + word }
        }
        var order: Order?
        let words = text.split(separator: " ").map(String.init)
        for (at, word) in words.enumerated() where word == "SORT" {
            guard order == nil else {
                return .failure(Fault(text: "ICE005A 0 STATEMENT DEFINER ERROR: TWO SORT STATEMENTS"))
            }
            guard at + 1 < words.count, let operands = try? Operand.all(Array(words[at + 1].utf8)),
                let fields = operands.first(where: { $0.key == "FIELDS" })
            else { return .failure(Fault(text: "ICE018A 0 INVALID OR MISSING FIELDS OPERAND")) }
            if fields.value == "COPY" || fields.parts == ["COPY"] {
                order = .copy
                continue
            }
            let format = operands.first { $0.key == "FORMAT" }?.value
            var read: [Field] = []
            var rest = fields.parts[...]
            while !rest.isEmpty {
                guard rest.count >= (format == nil ? 4 : 3), let start = Int(rest.removeFirst()),
                    let length = Int(rest.removeFirst()), (1...32_752).contains(start), (1...4092).contains(length)
                else { return .failure(Fault(text: "ICE018A 0 INVALID OR MISSING FIELDS OPERAND")) }
                guard ["CH", "BI"].contains(format ?? rest.removeFirst()) else {
                    return .failure(Fault(text: "ICE002A 0 FIELD FORMAT IS NOT CH OR BI"))
                }
                guard let direction = rest.popFirst(), ["A", "D"].contains(direction) else {
                    return .failure(Fault(text: "ICE018A 0 INVALID OR MISSING FIELDS OPERAND"))
                }
                read.append(Field(start: start - 1, length: length, isDescending: direction == "D"))
            }
            order = .by(read)
        }
        guard let order else { return .failure(Fault(text: "ICE010A 0 NO SORT OR MERGE CONTROL STATEMENT")) }
        return .success(order)
    }

    /// The fields one after the other, each at its full length, in the host's code.
    private static func key(of record: [UInt8], _ fields: [Field], _ table: [UInt8]) -> [UInt8] {
        var key: [UInt8] = []
        for field in fields {
            let part = record.dropFirst(field.start).prefix(field.length)
            for octet in part { key.append(table[Int(octet)]) }
            key.append(contentsOf: repeatElement(table[0x20], count: field.length - part.count))
        }
        return key
    }

    /// Negative when `left` comes first.
    private static func compare(_ left: [UInt8], _ right: [UInt8], _ fields: [Field]) -> Int {
        var start = 0
        for field in fields {
            for at in start..<start + field.length where left[at] != right[at] {
                return (left[at] < right[at]) == field.isDescending ? 1 : -1
            }
            start += field.length
        }
        return 0
    }
}
