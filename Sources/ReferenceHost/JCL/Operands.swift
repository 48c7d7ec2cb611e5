/// One operand of a statement: `PARM='A,B'` or a positional one.
struct Operand: Equatable, Sendable {
    /// As written before the `=`, nil for a positional operand.
    let key: String?
    /// As written: with its apostrophes and parentheses.
    let value: String

    /// The value's parts: those between the outer parentheses, or the value alone; apostrophes taken off.
    var parts: [String] {
        let octets = Array(value.utf8)
        guard octets.count >= 2, octets.first == 0x28, octets.last == 0x29 else { return [unquoted] }
        guard let inner = try? Operand.split(Array(octets[1..<octets.count - 1])) else { return [unquoted] }
        return inner.map(Operand.unquote)
    }

    /// The value without its apostrophes, doubled ones made one.
    var unquoted: String { Operand.unquote(value) }

    /// Parts between commas that stand outside parentheses and apostrophes.
    static func split(_ octets: [UInt8]) throws(OperandFault) -> [String] {
        var parts: [String] = []
        var depth = 0
        var isQuoted = false
        var start = 0
        for (at, octet) in octets.enumerated() {
            switch octet {
            case 0x27: isQuoted.toggle()
            case 0x28 where !isQuoted: depth += 1
            case 0x29 where !isQuoted:
                depth -= 1
                if depth < 0 { throw .unbalanced }
            case 0x2C where !isQuoted && depth == 0:
                parts.append(String(decoding: octets[start..<at], as: UTF8.self))
                start = at + 1
            default: break
            }
        }
        if isQuoted { throw .apostrophe }
        if depth != 0 { throw .unbalanced }
        parts.append(String(decoding: octets[start...], as: UTF8.self))
        return parts
    }

    /// Reads a whole operand field.
    static func all(_ octets: [UInt8]) throws(OperandFault) -> [Operand] {
        guard !octets.isEmpty else { return [] }
        return try split(octets).map { part in
            guard let equals = part.utf8.firstIndex(of: 0x3D) else { return Operand(key: nil, value: part) }
            let key = part[..<equals]
            guard !key.isEmpty, key.utf8.allSatisfy({ isNameOctet($0) || $0 == 0x2E }) else {
                return Operand(key: nil, value: part)
            }
            return Operand(key: String(key), value: String(part[part.utf8.index(after: equals)...]))
        }
    }

    private static func unquote(_ text: String) -> String {
        let octets = Array(text.utf8)
        guard octets.contains(0x27) else { return text }
        var result: [UInt8] = []
        var isQuoted = false
        var at = 0
        while at < octets.count {
            if octets[at] == 0x27 {
                if isQuoted && at + 1 < octets.count && octets[at + 1] == 0x27 {
                    result.append(0x27)
                    at += 1
                } else {
                    isQuoted.toggle()
                }
            } else {
                result.append(octets[at])
            }
            at += 1
        }
        return String(decoding: result, as: UTF8.self)
    }
}

enum OperandFault: Error, Equatable { case apostrophe, unbalanced }

/// A-Z 0-9 $ # @
func isNameOctet(_ octet: UInt8) -> Bool {
    switch octet {
    case 0x30...0x39, 0x41...0x5A, 0x24, 0x23, 0x40: true
    default: false
    }
}

/// 1-8 of A-Z 0-9 $ # @, not beginning with a digit: a job, step, DD or program name.
func isName(_ text: some StringProtocol) -> Bool {
    let octets = text.utf8
    guard (1...8).contains(octets.count), octets.allSatisfy(isNameOctet), let first = octets.first else { return false }
    return !(0x30...0x39).contains(first)
}
