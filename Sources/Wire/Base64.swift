/// Base64 by RFC 4648. Written with padding for `.standard`, without for `.url`; read strictly.
package enum Base64 {
    package enum Alphabet: Sendable {
        /// `+` `/` and padding: section 4.
        case standard
        /// `-` `_` and no padding: section 5.
        case url
    }

    package static func encode(_ octets: some Collection<UInt8>, _ alphabet: Alphabet = .standard) -> String {
        encode(Array(octets), alphabet)
    }

    package static func encode(_ octets: [UInt8], _ alphabet: Alphabet = .standard) -> String {
        let digits = alphabet == .standard ? standardDigits : urlDigits
        let whole = octets.count / 3 * 3
        return String(unsafeUninitializedCapacity: (octets.count + 2) / 3 * 4) { text in
            var end = 0
            func put(_ value: UInt32) {
                text[end] = digits[Int(value & 63)]
                end += 1
            }
            for at in stride(from: 0, to: whole, by: 3) {
                let group = UInt32(octets[at]) << 16 | UInt32(octets[at + 1]) << 8 | UInt32(octets[at + 2])
                put(group >> 18)
                put(group >> 12)
                put(group >> 6)
                put(group)
            }
            guard whole < octets.count else { return end }
            let second = whole + 1 < octets.count ? octets[whole + 1] : nil
            let group = UInt32(octets[whole]) << 16 | UInt32(second ?? 0) << 8
            put(group >> 18)
            put(group >> 12)
            if second != nil { put(group >> 6) }
            if alphabet == .standard {
                for _ in 0..<(second == nil ? 2 : 1) {
                    text[end] = 0x3D
                    end += 1
                }
            }
            return end
        }
    }

    /// - Returns: nil for a foreign character, wrong padding, or bits set beyond the last octet.
    package static func decode(_ text: some StringProtocol, _ alphabet: Alphabet = .standard) -> [UInt8]? {
        var text = String(text)
        return text.withUTF8 { decode($0, alphabet) }
    }

    private static func decode(_ text: UnsafeBufferPointer<UInt8>, _ alphabet: Alphabet) -> [UInt8]? {
        var octets: [UInt8] = []
        octets.reserveCapacity(text.count / 4 * 3 + 2)
        var group: UInt32 = 0
        var held = 0
        var padding = 0
        for character in text {
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

    private static let standardDigits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let urlDigits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

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
