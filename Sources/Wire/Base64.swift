/// Base64 by RFC 4648. Written with padding for `.standard`, without for `.url`; read strictly.
package enum Base64 {
    package enum Alphabet: Sendable {
        /// `+` `/` and padding: section 4.
        case standard
        /// `-` `_` and no padding: section 5.
        case url
    }

    package static func encode(_ octets: some Collection<UInt8>, _ alphabet: Alphabet = .standard) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((octets.count + 2) / 3 * 4)
        var group: UInt32 = 0
        var held = 0
        for octet in octets {
            group = group << 8 | UInt32(octet)
            held += 1
            if held == 3 {
                for shift in [18, 12, 6, 0] { text.append(digit(UInt8(group >> shift & 63), alphabet)) }
                (group, held) = (0, 0)
            }
        }
        if held > 0 {
            group <<= held == 1 ? 16 : 8
            for shift in [18, 12, 6].prefix(held + 1) { text.append(digit(UInt8(group >> shift & 63), alphabet)) }
            if alphabet == .standard { text.append(contentsOf: repeatElement(0x3D, count: 3 - held)) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: nil for a foreign character, wrong padding, or bits set beyond the last octet.
    package static func decode(_ text: some StringProtocol, _ alphabet: Alphabet = .standard) -> [UInt8]? {
        var octets: [UInt8] = []
        var group: UInt32 = 0
        var held = 0
        var padding = 0
        for character in text.utf8 {
            if character == 0x3D {
                padding += 1
                continue
            }
            guard padding == 0, let value = value(ofDigit: character, alphabet) else { return nil }
            group = group << 6 | UInt32(value)
            held += 1
            if held == 4 {
                octets.append(UInt8(truncatingIfNeeded: group >> 16))
                octets.append(UInt8(truncatingIfNeeded: group >> 8))
                octets.append(UInt8(truncatingIfNeeded: group))
                (group, held) = (0, 0)
            }
        }
        switch held {
        case 0:
            return padding == 0 ? octets : nil
        case 2 where group & 0x0F == 0:
            octets.append(UInt8(truncatingIfNeeded: group >> 4))
        case 3 where group & 0x03 == 0:
            octets.append(UInt8(truncatingIfNeeded: group >> 10))
            octets.append(UInt8(truncatingIfNeeded: group >> 2))
        default:
            return nil
        }
        return padding == (alphabet == .standard ? 4 - held : 0) ? octets : nil
    }

    private static func digit(_ value: UInt8, _ alphabet: Alphabet) -> UInt8 {
        switch value {
        case 0..<26: 0x41 + value
        case 26..<52: 0x61 + value - 26
        case 52..<62: 0x30 + value - 52
        case 62: alphabet == .standard ? 0x2B : 0x2D
        default: alphabet == .standard ? 0x2F : 0x5F
        }
    }

    private static func value(ofDigit character: UInt8, _ alphabet: Alphabet) -> UInt8? {
        switch character {
        case 0x41...0x5A: character - 0x41
        case 0x61...0x7A: character - 0x61 + 26
        case 0x30...0x39: character - 0x30 + 52
        case alphabet == .standard ? 0x2B : 0x2D: 62
        case alphabet == .standard ? 0x2F : 0x5F: 63
        default: nil
        }
    }
}
