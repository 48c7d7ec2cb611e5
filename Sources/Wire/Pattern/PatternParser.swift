/// Reads a regular expression: the common part of what grep -E, Perl and the rest understand.
///
///     . [a-z] [^a-z] \d \D \w \W \s \S \t \xHH \. ^ $ | ( ) (?: ) * + ? {n} {n,} {n,m}
///
/// No back references, no look-around and no word boundaries: those cannot be matched in linear time, or not by these means.
struct PatternParser {
    private static let mostRepeats = 255
    private static let deepest = 32

    private let text: [Unicode.Scalar]
    private let ignoresCase: Bool
    private var at = 0
    private var depth = 0

    init(_ text: [Unicode.Scalar], ignoresCase: Bool) {
        self.text = text
        self.ignoresCase = ignoresCase
    }

    mutating func parse() throws(Pattern.Fault) -> PatternTree {
        let tree = try alternatives()
        if peek == ")" { throw fault("this ) closes nothing; write \\) for the character") }
        return tree
    }

    private var peek: Unicode.Scalar? { at < text.count ? text[at] : nil }

    private func fault(_ detail: String, at place: Int? = nil) -> Pattern.Fault {
        Pattern.Fault(column: (place ?? at) + 1, detail: detail)
    }

    private mutating func alternatives() throws(Pattern.Fault) -> PatternTree {
        var branches = [try branch()]
        while peek == "|" {
            at += 1
            branches.append(try branch())
        }
        return branches.count == 1 ? branches[0] : .either(branches)
    }

    private mutating func branch() throws(Pattern.Fault) -> PatternTree {
        var items: [PatternTree] = []
        while let next = peek, next != "|", next != ")" { items.append(try repeated()) }
        return items.isEmpty ? .empty : .sequence(items)
    }

    private mutating func repeated() throws(Pattern.Fault) -> PatternTree {
        let start = at
        var tree = try item()
        var isRepeated = false
        while let next = peek {
            let bounds: (least: Int, most: Int?)
            switch next {
            case "*": bounds = (0, nil)
            case "+": bounds = (1, nil)
            case "?" where isRepeated:
                at += 1  // "as few as possible" finds the same records
                continue
            case "?": bounds = (0, 1)
            case "{":
                guard let read = try counts() else { return tree }
                bounds = read
            default: return tree
            }
            if next != "{" { at += 1 }
            if isRepeated { throw fault("what is repeated already is repeated again", at: at - 1) }
            if tree == .begin || tree == .end { throw fault("an end of the record cannot be repeated", at: start) }
            tree = .repeated(tree, least: bounds.least, most: bounds.most)
            isRepeated = true
        }
        return tree
    }

    /// `{n}`, `{n,}`, `{n,m}`; anything else is a brace that stands for itself.
    private mutating func counts() throws(Pattern.Fault) -> (least: Int, most: Int?)? {
        let start = at
        var place = at + 1
        func number() -> Int? {
            var digits = ""
            while place < text.count, text[place].value >= 0x30, text[place].value <= 0x39, digits.count < 6 {
                digits.unicodeScalars.append(text[place])
                place += 1
            }
            return Int(digits)
        }
        guard let least = number() else { return nil }
        var most: Int? = least
        if place < text.count, text[place] == "," {
            place += 1
            most = number()
        }
        guard place < text.count, text[place] == "}" else { return nil }
        if max(least, most ?? 0) > Self.mostRepeats {
            throw fault("more than \(Self.mostRepeats) repetitions are not counted", at: start)
        }
        if let most, most < least { throw fault("the counts are the wrong way round", at: start) }
        at = place + 1
        return (least, most)
    }

    private mutating func item() throws(Pattern.Fault) -> PatternTree {
        let start = at
        let scalar = text[at]
        at += 1
        switch scalar {
        case ".": return .set(.all)
        case "^": return .begin
        case "$": return .end
        case "(": return try group(from: start)
        case "[": return .set(try bracket(from: start))
        case "\\": return .set(try escape(from: start, inBracket: false))
        case "*", "+", "?":
            throw fault("there is nothing before \(scalar) to repeat; write \\\(scalar) for the character", at: start)
        default: return .set(CharacterSet(scalar, ignoresCase: ignoresCase))
        }
    }

    private mutating func group(from start: Int) throws(Pattern.Fault) -> PatternTree {
        if peek == "?" {
            guard at + 1 < text.count, text[at + 1] == ":" else {
                throw fault("of the groups with (? there is only (?:", at: start)
            }
            at += 2
        }
        depth += 1
        guard depth <= Self.deepest else { throw fault("groups are nested too deeply", at: start) }
        let tree = try alternatives()
        guard peek == ")" else { throw fault("this ( is not closed", at: start) }
        at += 1
        depth -= 1
        return tree
    }

    private mutating func bracket(from start: Int) throws(Pattern.Fault) -> CharacterSet {
        var set = CharacterSet()
        let isInverted = peek == "^"
        if isInverted { at += 1 }
        var isFirst = true
        while true {
            guard let scalar = peek else { throw fault("this [ is not closed", at: start) }
            if scalar == "]", !isFirst { break }
            isFirst = false
            let place = at
            at += 1
            if scalar == "[", peek == ":" { throw fault("classes like [:digit:] are written \\d, \\w, \\s", at: place) }
            var low = scalar
            if scalar == "\\" {
                let escaped = try escape(from: place, inBracket: true)
                guard let single = lastSingle else {
                    set.formUnion(escaped)
                    continue
                }
                low = single
            }
            guard peek == "-", at + 1 < text.count, text[at + 1] != "]" else {
                set.formUnion(CharacterSet(low, ignoresCase: ignoresCase))
                continue
            }
            at += 1
            var high = text[at]
            let highPlace = at
            at += 1
            if high == "\\" {
                _ = try escape(from: highPlace, inBracket: true)
                guard let single = lastSingle else { throw fault("a range ends in a character", at: highPlace) }
                high = single
            }
            guard low.value <= high.value else { throw fault("the range is the wrong way round", at: place) }
            for octet in UInt8.min...UInt8.max where (low.value...high.value).contains(UInt32(octet)) {
                set.insert(octet)
            }
        }
        at += 1
        if ignoresCase { set.foldCase() }
        return isInverted ? set.inverted : set
    }

    /// The character that the last escape stood for; nil for a class.
    private var lastSingle: Unicode.Scalar?

    private mutating func escape(from start: Int, inBracket: Bool) throws(Pattern.Fault) -> CharacterSet {
        guard let scalar = peek else { throw fault("the \\ at the end escapes nothing", at: start) }
        at += 1
        lastSingle = nil
        switch scalar {
        case "d", "D", "w", "W", "s", "S": return Self.named(scalar)
        case "t": return single("\t")
        case "x":
            guard at + 1 < text.count, let high = Self.hex(text[at]), let low = Self.hex(text[at + 1]) else {
                throw fault("\\x wants two hexadecimal digits", at: start)
            }
            at += 2
            return single(Unicode.Scalar(high << 4 | low))
        default:
            let isLetter = scalar.properties.isAlphabetic || (0x30...0x39).contains(scalar.value)
            guard !isLetter else { throw fault("\\\(scalar) is not known here", at: start) }
            return single(scalar)
        }
    }

    private mutating func single(_ scalar: Unicode.Scalar) -> CharacterSet {
        lastSingle = scalar
        return CharacterSet(scalar, ignoresCase: ignoresCase)
    }

    private static func hex(_ scalar: Unicode.Scalar) -> UInt8? {
        UInt8(exactly: scalar.value).flatMap { Hex.value(ofDigit: $0) }
    }

    private static func named(_ scalar: Unicode.Scalar) -> CharacterSet {
        var set = CharacterSet()
        switch scalar {
        case "d", "D":
            for octet in UInt8(0x30)...0x39 { set.insert(octet) }
        case "s", "S":
            for octet in [UInt8(0x20), 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0xA0] { set.insert(octet) }
        default:
            let letters = Array(UInt8(0x41)...0x5A) + Array(UInt8(0x61)...0x7A) + Array(UInt8(0xC0)...0xFF)
            for octet in letters where octet != 0xD7 && octet != 0xF7 { set.insert(octet) }
            for octet in UInt8(0x30)...0x39 { set.insert(octet) }
            set.insert(0x5F)
        }
        return scalar.properties.isUppercase ? set.inverted : set
    }
}
