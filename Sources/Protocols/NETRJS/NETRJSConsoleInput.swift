import Wire

extension NETRJS {
    /// What a host reads from a terminal's console: TELNET taken out, the line edited as it was typed.
    package struct ConsoleInput: Equatable, Sendable {
        package enum Item: Equatable, Sendable {
            /// In ASCII, cut after 133 characters.
            case line(String)
            /// ETX: the session is to end at once.
            case end
        }

        private var telnet = Telnet()
        private var line: [UInt8] = []
        private var holdsCarriageReturn = false
        private var items: [Item] = []

        package init() {}

        /// A subnegotiation without end.
        package var isBroken: Bool { telnet.isBroken }

        /// - Returns: lines that are complete, and what TELNET wants sent at once.
        package mutating func receive(_ octets: some Collection<UInt8>) -> (items: [Item], reply: [UInt8]) {
            let (text, reply) = telnet.receive(octets)
            for octet in text { take(octet) }
            defer { items = [] }
            return (items, reply)
        }

        private mutating func take(_ octet: UInt8) {
            let isEnd = octet == 0x0A && holdsCarriageReturn
            holdsCarriageReturn = octet == 0x0D
            switch octet {
            case 0x0A where isEnd:
                items.append(.line(String(decoding: line.prefix(longestConsoleLine), as: UTF8.self)))
                line = []
            case 0x03: items.append(.end)
            case 0x08: if !line.isEmpty { line.removeLast() }
            case 0x18: line = []
            case 0x09: add(0x20)
            case 0x20...0x7E: add(octet)
            default: break
            }
        }

        /// Some beyond the limit are kept, so that a backspace takes the character it is meant for.
        private mutating func add(_ octet: UInt8) {
            if line.count < 4 * longestConsoleLine { line.append(octet) }
        }
    }

    /// A console line as the host's EBCDIC knows it, in ASCII again: six graphics that EBCDIC lacks are question marks.
    package static func asTheHostSees(_ line: String) -> String {
        String(
            decoding: line.utf8.map { octet -> UInt8 in
                switch octet {
                case 0x5B, 0x5D, 0x5E, 0x60, 0x7B, 0x7D: 0x3F
                default: octet
                }
            }, as: UTF8.self)
    }
}
