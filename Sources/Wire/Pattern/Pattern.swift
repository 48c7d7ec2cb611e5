/// What to search records for: a text as it stands, or a regular expression.
///
/// Each record is searched in time linear in its length, whatever the pattern: there is no backtracking. A record is a string of
/// Latin-1 characters, which is all that the hosts' codes have; `^` and `$` are its ends.
package struct Pattern: Sendable {
    /// The longest pattern, in characters, and the most it may unfold to.
    package static let mostCharacters = 400
    package static let mostSteps = 512

    package struct Fault: Error, Equatable, Sendable {
        /// In characters, from 1.
        package let column: Int
        package let detail: String
    }

    /// One step of the automaton.
    enum Step: Equatable, Sendable {
        /// One character of the set, then `next`.
        case take(CharacterSet, next: Int)
        case split(Int, Int)
        case begin(next: Int)
        case end(next: Int)
        case match
    }

    let steps: [Step]
    let start: Int

    /// - Throws: where the pattern is not understood.
    package init(_ text: String, isExpression: Bool, ignoresCase: Bool = false) throws(Fault) {
        let scalars = Array(text.unicodeScalars)
        guard !scalars.isEmpty else { throw Fault(column: 1, detail: "the pattern is empty") }
        guard scalars.count <= Self.mostCharacters else {
            throw Fault(
                column: Self.mostCharacters + 1, detail: "the pattern is longer than \(Self.mostCharacters) characters")
        }
        let tree: PatternTree
        if isExpression {
            var parser = PatternParser(scalars, ignoresCase: ignoresCase)
            tree = try parser.parse()
        } else {
            tree = .sequence(scalars.map { .set(CharacterSet($0, ignoresCase: ignoresCase)) })
        }
        var compiler = PatternCompiler()
        start = try compiler.compile(tree)
        steps = compiler.steps
    }
}

/// Some of the 256 characters.
struct CharacterSet: Equatable, Hashable, Sendable {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    static let all = CharacterSet().inverted

    init() {}

    init(_ scalar: Unicode.Scalar, ignoresCase: Bool) {
        guard let octet = UInt8(exactly: scalar.value) else { return }  // no host has it: it never matches
        insert(octet)
        if ignoresCase { foldCase() }
    }

    static func == (left: CharacterSet, right: CharacterSet) -> Bool { left.words == right.words }

    func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }

    func contains(_ octet: UInt8) -> Bool {
        let bit: UInt64 = 1 << UInt64(octet & 63)
        switch octet >> 6 {
        case 0: return words.0 & bit != 0
        case 1: return words.1 & bit != 0
        case 2: return words.2 & bit != 0
        default: return words.3 & bit != 0
        }
    }

    mutating func insert(_ octet: UInt8) {
        let bit: UInt64 = 1 << UInt64(octet & 63)
        switch octet >> 6 {
        case 0: words.0 |= bit
        case 1: words.1 |= bit
        case 2: words.2 |= bit
        default: words.3 |= bit
        }
    }

    mutating func formUnion(_ other: CharacterSet) {
        words.0 |= other.words.0
        words.1 |= other.words.1
        words.2 |= other.words.2
        words.3 |= other.words.3
    }

    var inverted: CharacterSet {
        var set = self
        set.words = (~words.0, ~words.1, ~words.2, ~words.3)
        return set
    }

    /// The letters of Latin-1 that have both cases stand 32 apart; 0xD7 and 0xF7 are none, and ß and ÿ have one only.
    mutating func foldCase() {
        for upper in Array(UInt8(0x41)...0x5A) + Array(UInt8(0xC0)...0xDE) where upper != 0xD7 {
            if contains(upper) || contains(upper + 32) {
                insert(upper)
                insert(upper + 32)
            }
        }
    }
}

indirect enum PatternTree: Equatable, Sendable {
    case empty
    case set(CharacterSet)
    case begin
    case end
    case sequence([PatternTree])
    case either([PatternTree])
    /// `most` nil: without end.
    case repeated(PatternTree, least: Int, most: Int?)
}

/// Unfolds a tree into steps, from its end to its beginning.
struct PatternCompiler {
    private(set) var steps: [Pattern.Step] = [.match]

    mutating func compile(_ tree: PatternTree) throws(Pattern.Fault) -> Int { try add(tree, next: 0) }

    private mutating func add(_ step: Pattern.Step) throws(Pattern.Fault) -> Int {
        guard steps.count < Pattern.mostSteps else {
            throw Pattern.Fault(
                column: 1, detail: "the pattern unfolds to more than \(Pattern.mostSteps) steps: repeat less")
        }
        steps.append(step)
        return steps.count - 1
    }

    private mutating func add(_ tree: PatternTree, next: Int) throws(Pattern.Fault) -> Int {
        switch tree {
        case .empty: return next
        case .set(let set): return try add(.take(set, next: next))
        case .begin: return try add(.begin(next: next))
        case .end: return try add(.end(next: next))
        case .sequence(let trees):
            var next = next
            for tree in trees.reversed() { next = try add(tree, next: next) }
            return next
        case .either(let trees):
            var entry: Int?
            for tree in trees.reversed() {
                let branch = try add(tree, next: next)
                entry = if let entry { try add(.split(branch, entry)) } else { branch }
            }
            return entry ?? next
        case .repeated(let tree, let least, let most):
            var next = next
            if let most {
                let end = next
                for _ in least..<max(least, most) {
                    let body = try add(tree, next: next)
                    next = try add(.split(body, end))
                }
            } else {
                let loop = try add(.split(next, next))
                let body = try add(tree, next: loop)
                steps[loop] = .split(body, next)
                next = loop
            }
            for _ in 0..<least { next = try add(tree, next: next) }
            return next
        }
    }
}
