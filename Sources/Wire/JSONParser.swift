/// RFC 8259 to the letter, plus: no name twice in one object, limited nesting, no byte order mark.
struct JSONParser {
    private let text: [UInt8]
    private var at = 0
    private var depth = 0

    init(_ text: [UInt8]) { self.text = text }

    mutating func parse() throws(JSONFault) -> JSONValue {
        let value = try value()
        skipBlanks()
        guard at == text.count else { throw fault(.trailing) }
        return value
    }

    private mutating func value() throws(JSONFault) -> JSONValue {
        skipBlanks()
        switch try peek() {
        case 0x7B: return try object()
        case 0x5B: return try array()
        case 0x22: return .string(try string())
        case 0x74: return try word("true", .bool(true))
        case 0x66: return try word("false", .bool(false))
        case 0x6E: return try word("null", .null)
        case 0x2D, 0x30...0x39: return try number()
        case let octet: throw fault(.unexpected(octet))
        }
    }

    private mutating func object() throws(JSONFault) -> JSONValue {
        try enter()
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        skipBlanks()
        if try peek() == 0x7D { return leave(.object([])) }
        while true {
            skipBlanks()
            let start = at
            try expect(0x22, consume: false)
            let name = try string()
            guard names.insert(name).inserted else { throw fault(.duplicateName(name), at: start) }
            skipBlanks()
            try expect(0x3A)
            members.append(.init(name: name, value: try value()))
            skipBlanks()
            if try peek() == 0x7D { return leave(.object(members)) }
            try expect(0x2C)
        }
    }

    private mutating func array() throws(JSONFault) -> JSONValue {
        try enter()
        var elements: [JSONValue] = []
        skipBlanks()
        if try peek() == 0x5D { return leave(.array([])) }
        while true {
            elements.append(try value())
            skipBlanks()
            if try peek() == 0x5D { return leave(.array(elements)) }
            try expect(0x2C)
        }
    }

    private mutating func enter() throws(JSONFault) {
        guard depth < JSONValue.deepestNesting else { throw fault(.tooDeep(limit: JSONValue.deepestNesting)) }
        depth += 1
        at += 1
    }

    private mutating func leave(_ value: JSONValue) -> JSONValue {
        depth -= 1
        at += 1
        return value
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONFault) -> JSONValue {
        for index in 0..<word.utf8CodeUnitCount { try expect(word.utf8Start[index]) }
        return value
    }

    private mutating func number() throws(JSONFault) -> JSONValue {
        let start = at
        var isInteger = true
        if text[at] == 0x2D { at += 1 }
        if try peek() == 0x30 {
            at += 1
        } else {
            try digits()
        }
        if at < text.count && text[at] == 0x2E {
            at += 1
            isInteger = false
            try digits()
        }
        if at < text.count && text[at] | 0x20 == 0x65 {
            at += 1
            isInteger = false
            if [0x2B, 0x2D].contains(try peek()) { at += 1 }
            try digits()
        }
        let digits = String(decoding: text[start..<at], as: UTF8.self)
        if isInteger, let value = Int64(digits) { return .int(value) }
        guard let value = Double(digits), value.isFinite else { throw fault(.numberTooLarge, at: start) }
        // 3.0 and 3e0 are the integer 3, as JSON Schema has it; beyond 2^53 a double no longer tells which.
        if !isInteger, value.magnitude < 0x1p53, let whole = Int64(exactly: value) { return .int(whole) }
        return .double(value)
    }

    private mutating func digits() throws(JSONFault) {
        guard (0x30...0x39).contains(try peek()) else { throw fault(.unexpected(text[at])) }
        while at < text.count && (0x30...0x39).contains(text[at]) { at += 1 }
    }

    private mutating func string() throws(JSONFault) -> String {
        at += 1
        var octets: [UInt8] = []
        while true {
            let octet = try peek()
            switch octet {
            case 0x22:
                at += 1
                return String(decoding: octets, as: UTF8.self)
            case 0x5C:
                let scalar = try escape()
                octets.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
            case ..<0x20:
                throw fault(.controlCharacter(octet))
            default:
                guard let next = UTF8Reader.scalar(in: text.span, at: at) else { throw fault(.notUTF8) }
                octets.append(contentsOf: text[at..<at + next.length])
                at += next.length
            }
        }
    }

    private mutating func escape() throws(JSONFault) -> Unicode.Scalar {
        let start = at
        at += 1
        let letter = try peek()
        at += 1
        switch letter {
        case 0x22, 0x5C, 0x2F: return Unicode.Scalar(letter)
        case 0x62: return "\u{08}"
        case 0x66: return "\u{0C}"
        case 0x6E: return "\n"
        case 0x72: return "\r"
        case 0x74: return "\t"
        case 0x75: break
        default: throw fault(.badEscape, at: start)
        }
        let unit = try fourDigits(start)
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard unit < 0xDC00, at + 1 < text.count, text[at] == 0x5C, text[at + 1] == 0x75 else {
            throw fault(.badEscape, at: start)
        }
        at += 2
        let low = try fourDigits(start)
        guard (0xDC00...0xDFFF).contains(low),
            let scalar = Unicode.Scalar(0x1_0000 + (unit - 0xD800) << 10 + (low - 0xDC00))
        else { throw fault(.badEscape, at: start) }
        return scalar
    }

    private mutating func fourDigits(_ start: Int) throws(JSONFault) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Hex.value(ofDigit: try peek()) else { throw fault(.badEscape, at: start) }
            value = value << 4 | UInt32(digit)
            at += 1
        }
        return value
    }

    private mutating func skipBlanks() {
        while at < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[at]) { at += 1 }
    }

    private func peek() throws(JSONFault) -> UInt8 {
        guard at < text.count else { throw fault(.unexpectedEnd) }
        return text[at]
    }

    private mutating func expect(_ octet: UInt8, consume: Bool = true) throws(JSONFault) {
        let found = try peek()
        guard found == octet else { throw fault(.unexpected(found)) }
        if consume { at += 1 }
    }

    private func fault(_ kind: JSONFault.Kind, at offset: Int? = nil) -> JSONFault {
        let offset = offset ?? at
        let before = text[..<offset]
        let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        return JSONFault(
            kind: kind, offset: offset,
            line: before.count { $0 == 0x0A } + 1,
            column: text[lineStart..<offset].count { $0 & 0xC0 != 0x80 } + 1)
    }
}
