/// Small tests on octets, shared by everything that reads a request.
package enum Octet {
    /// RFC 9110, 5.6.2: `tchar`.
    @inline(__always)
    package static func isToken(_ octet: UInt8) -> Bool {
        // Bit n of the two words is octet n: letters, digits and !#$%&'*+-.^_`|~
        let low: UInt64 = 0x03FF_6CFA_0000_0000
        let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
        guard octet < 128 else { return false }
        let word = octet < 64 ? low : high
        return word >> UInt64(octet & 63) & 1 == 1
    }

    /// RFC 9110, 5.5: what may stand in a field value; the upper half passes as bytes.
    @inline(__always)
    package static func isFieldValue(_ octet: UInt8) -> Bool {
        octet >= 0x20 && octet != 0x7F || octet == 0x09
    }

    @inline(__always)
    package static func isBlank(_ octet: UInt8) -> Bool { octet == 0x20 || octet == 0x09 }

    @inline(__always)
    package static func isDigit(_ octet: UInt8) -> Bool { octet &- 0x30 < 10 }

    @inline(__always)
    package static func isAlpha(_ octet: UInt8) -> Bool { (octet | 0x20) &- 0x61 < 26 }

    /// The value of a hexadecimal digit of either case.
    @inline(__always)
    package static func hexValue(_ octet: UInt8) -> UInt8? {
        if octet &- 0x30 < 10 { return octet &- 0x30 }
        let letter = (octet | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : nil
    }

    @inline(__always)
    package static func lowercased(_ octet: UInt8) -> UInt8 {
        octet &- 0x41 < 26 ? octet | 0x20 : octet
    }
}

extension Span where Element == UInt8 {
    package func isEqual(to text: StaticString) -> Bool {
        text.withUTF8Buffer { text in
            guard text.count == count else { return false }
            for at in text.indices where text[at] != self[at] { return false }
            return true
        }
    }
}

extension Collection where Element == UInt8 {
    /// - Parameter text: in lower case.
    package func isEqualIgnoringCase(to text: StaticString) -> Bool {
        guard text.utf8CodeUnitCount == count else { return false }
        return text.withUTF8Buffer { text in
            zip(text, self).allSatisfy { $0 == Octet.lowercased($1) }
        }
    }

    package var text: String { String(decoding: self, as: UTF8.self) }
}

extension ArraySlice<UInt8> {
    /// Without spaces and tabs at either end.
    package var trimmingBlanks: ArraySlice<UInt8> {
        var rest = drop(while: Octet.isBlank)
        while let last = rest.last, Octet.isBlank(last) { rest.removeLast() }
        return rest
    }
}
