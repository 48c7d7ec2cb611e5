/// Runs a pattern over records. States of the automaton are made when they are first met, and forgotten when there are too many: the
/// work for one character is bounded by the steps of the pattern, and is one look into a table when the state is known.
package struct PatternMatcher: Sendable {
    private static let mostStates = 512
    /// So many times they are forgotten; from then on every character is worked out anew, which costs less than to remember.
    private static let mostFloods = 8
    private static let unknown: Int32 = -1
    /// Nothing more can change the answer.
    private static let found: Int32 = -2

    private struct State {
        /// Steps that take a character, and `end` steps with what they lead to.
        let steps: [Int]
        let matchesAtEnd: Bool
    }

    private let pattern: Pattern
    private var states: [State] = []
    private var numbers: [[Int]: Int32] = [:]
    /// 256 entries a state.
    private var table: [Int32] = []
    private var visited: [Int]
    private var visit = 0
    private var floods = 0
    private var startSteps: (steps: [Int], matches: Bool, matchesAtEnd: Bool)

    package init(_ pattern: Pattern) {
        self.pattern = pattern
        visited = Array(repeating: -1, count: pattern.steps.count)
        startSteps = ([], false, false)
        startSteps = close([pattern.start], atBegin: true)
    }

    /// - Parameter record: octets of a host's code.
    /// - Parameter table: the Latin-1 of each octet, from `CodePage.latin1Table`.
    package mutating func matches(_ record: ArraySlice<UInt8>, in code: [UInt8]) -> Bool {
        if startSteps.matches { return true }
        if record.isEmpty { return startSteps.matchesAtEnd }
        if floods >= Self.mostFloods { return walkThrough(record, code) }
        var state = number(of: startSteps.steps, startSteps.matchesAtEnd)
        for octet in record {
            let character = code[Int(octet)]
            var next = table[Int(state) << 8 | Int(character)]
            if next == Self.unknown { next = step(state, character) }
            if next == Self.found { return true }
            state = next
        }
        return states[Int(state)].matchesAtEnd
    }

    private mutating func step(_ state: Int32, _ character: UInt8) -> Int32 {
        let current = states[Int(state)].steps
        var targets: [Int] = []
        for step in current {
            if case .take(let set, let next) = pattern.steps[step], set.contains(character) { targets.append(next) }
        }
        // A match may begin at every character.
        targets.append(pattern.start)
        let closed = close(targets, atBegin: false)
        let next: Int32
        if closed.matches {
            next = Self.found
        } else {
            if states.count >= Self.mostStates {
                states.removeAll(keepingCapacity: true)
                numbers.removeAll(keepingCapacity: true)
                table.removeAll(keepingCapacity: true)
                floods += 1
                return number(of: closed.steps, closed.matchesAtEnd)
            }
            next = number(of: closed.steps, closed.matchesAtEnd)
        }
        table[Int(state) << 8 | Int(character)] = next
        return next
    }

    /// Without remembering.
    private mutating func walkThrough(_ record: ArraySlice<UInt8>, _ code: [UInt8]) -> Bool {
        var current = startSteps.steps
        var targets: [Int] = []
        for octet in record {
            let character = code[Int(octet)]
            targets.removeAll(keepingCapacity: true)
            for step in current {
                if case .take(let set, let next) = pattern.steps[step], set.contains(character) { targets.append(next) }
            }
            targets.append(pattern.start)
            let walked = walk(targets, atBegin: false, atEnd: false)
            if walked.matches { return true }
            current = walked.steps
        }
        // `targets` are where the last character led to.
        return walk(targets, atBegin: false, atEnd: true).matches
    }

    private mutating func number(of steps: [Int], _ matchesAtEnd: Bool) -> Int32 {
        // The same steps with another end are another state.
        let key = matchesAtEnd ? steps + [-1] : steps
        if let known = numbers[key] { return known }
        let number = Int32(states.count)
        states.append(State(steps: steps, matchesAtEnd: matchesAtEnd))
        table += Array(repeating: Self.unknown, count: 256)
        numbers[key] = number
        return number
    }

    /// Follows the steps that take no character.
    private mutating func close(
        _ starts: [Int], atBegin: Bool
    ) -> (steps: [Int], matches: Bool, matchesAtEnd: Bool) {
        let here = walk(starts, atBegin: atBegin, atEnd: false)
        let atEnd = here.matches || walk(starts, atBegin: atBegin, atEnd: true).matches
        return (here.steps.sorted(), here.matches, atEnd)
    }

    private mutating func walk(_ starts: [Int], atBegin: Bool, atEnd: Bool) -> (steps: [Int], matches: Bool) {
        visit += 1
        var todo = starts
        var taking: [Int] = []
        var matches = false
        while let at = todo.popLast() {
            if visited[at] == visit { continue }
            visited[at] = visit
            switch pattern.steps[at] {
            case .take: taking.append(at)
            case .split(let one, let other):
                todo.append(one)
                todo.append(other)
            case .begin(let next): if atBegin { todo.append(next) }
            case .end(let next): if atEnd { todo.append(next) }
            case .match: matches = true
            }
        }
        return (taking, matches)
    }
}
