extension PrivRJE {
    /// Reads the tokens of section 2 from a line whose octets are all 0x20 to 0x7E.
    struct TokenReader {
        let octets: [UInt8]
        private(set) var at: Int

        init(_ octets: [UInt8], from start: Int = 0) {
            self.octets = octets
            at = start
        }

        var isAtEnd: Bool { at >= octets.count }

        /// One `param`: a value, perhaps with a key in upper case before it. What follows is a space or the end.
        ///
        /// - Returns: nil when the grammar has no such token here; then nothing is consumed.
        mutating func parameter() -> (key: String?, value: String)? {
            let start = at
            let key = self.key()
            if let value = value(mayHoldEquals: key != nil), isAtEnd || octets[at] == 0x20 { return (key, value) }
            at = start
            return nil
        }

        /// The one space between tokens.
        mutating func space() -> Bool {
            guard !isAtEnd, octets[at] == 0x20 else { return false }
            at += 1
            return true
        }

        private mutating func key() -> String? {
            var end = at
            while end < octets.count, end - at <= 16, Self.isKeyOctet(octets[end]) { end += 1 }
            guard (1...16).contains(end - at), end < octets.count, octets[end] == 0x3D else { return nil }
            defer { at = end + 1 }
            return String(decoding: octets[at..<end], as: UTF8.self).uppercased()
        }

        private mutating func value(mayHoldEquals: Bool) -> String? {
            guard !isAtEnd else { return nil }
            if octets[at] == 0x22 { return quoted() }
            var end = at
            while end < octets.count, octets[end] != 0x20 {
                let octet = octets[end]
                guard octet != 0x22, octet != 0x5C, mayHoldEquals || octet != 0x3D else { return nil }
                end += 1
            }
            guard end > at else { return nil }
            defer { at = end }
            return String(decoding: octets[at..<end], as: UTF8.self)
        }

        private mutating func quoted() -> String? {
            var value: [UInt8] = []
            var next = at + 1
            while next < octets.count {
                switch octets[next] {
                case 0x22:
                    at = next + 1
                    return String(decoding: value, as: UTF8.self)
                case 0x5C:
                    next += 1
                    guard next < octets.count, octets[next] == 0x22 || octets[next] == 0x5C else { return nil }
                    value.append(octets[next])
                case let octet:
                    value.append(octet)
                }
                next += 1
            }
            return nil
        }

        private static func isKeyOctet(_ octet: UInt8) -> Bool {
            switch octet {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D: true
            default: false
            }
        }
    }

    static func isPrintable(_ octet: UInt8) -> Bool { (0x20...0x7E).contains(octet) }

    /// Appends a value, quoted when it must be.
    ///
    /// - Parameter isPositional: a value alone holds no `=` outside quotes.
    static func append(value: String, isPositional: Bool, to octets: inout [UInt8]) {
        let isBare =
            !value.isEmpty
            && value.utf8.allSatisfy { $0 != 0x20 && $0 != 0x22 && $0 != 0x5C && !(isPositional && $0 == 0x3D) }
        if isBare { return octets.append(contentsOf: value.utf8) }
        octets.append(0x22)
        for octet in value.utf8 {
            if octet == 0x22 || octet == 0x5C { octets.append(0x5C) }
            octets.append(octet)
        }
        octets.append(0x22)
    }
}
