import Wire

/// Reads from a print-out whose it is and how the job ended: separator pages, the job log, the marker card in the JCL
/// listing. A stream with flat memory; looks at the first `mostOctets` octets only, since all of this comes first.
///
/// Sources: MVS and JES2 messages (IEF142I, IEF403I, IEF404I, IEF450I, IEF453I, IEFC452I, $HASP373, $HASP395), and the
/// separator page in hasp-bsc.md section 18.2.
package struct PrintScan: Equatable, Sendable {
    /// 1 MiB.
    package static let mostOctets = 1 << 20
    /// Of a line; the rest of a longer one is not looked at.
    private static let longestLine = 1024

    /// The job that a marker card names.
    package private(set) var marker: JobID?
    /// From the separator page, in the host's spelling without leading zeros: `JOB   42` is 42.
    package private(set) var separator: Separator?
    /// From the job log (`J00042`), as printed.
    package private(set) var number: String?
    /// From the job log's messages.
    package private(set) var name: JobName?

    package struct Separator: Equatable, Sendable {
        package let name: JobName
        package let number: Int
    }

    private var line: [UInt8] = []
    private var octets = 0
    private var end: Outcome?
    private var failure: Outcome?
    private var highest: Int?

    package init() {}

    package var isDone: Bool { octets >= Self.mostOctets }

    /// How the job ended, as far as its messages tell.
    package var outcome: Outcome? {
        var outcome = end ?? failure ?? highest.map { Outcome.completed($0) }
        outcome?.matchedBy = "print-out"
        return outcome
    }

    /// - Parameter text: UTF-8 as a printer renders it; lines end in LF, and a form feed or a CR begins one as well.
    package mutating func append(_ text: [UInt8]) {
        guard !isDone else { return }
        octets += text.count
        var start = 0
        for at in text.indices where text[at] == 0x0A || text[at] == 0x0C || text[at] == 0x0D {
            take(text[start..<at])
            if !line.isEmpty { read() }
            line.removeAll(keepingCapacity: true)
            start = at + 1
        }
        take(text[start...])
    }

    private mutating func take(_ part: ArraySlice<UInt8>) { line += part.prefix(Self.longestLine - line.count) }

    package mutating func finish() {
        if !line.isEmpty { read() }
        line = []
    }

    private mutating func read() {
        let words = line.split(separator: 0x20)
        guard let first = words.first else { return }
        if marker == nil, words.contains(where: { $0.elementsEqual("//*".utf8) }) {
            marker = MarkerCard.job(inLine: String(decoding: line, as: UTF8.self))
        }
        if separator == nil, first.starts(with: "****".utf8) { readSeparator(words) }
        if number == nil, words.count > 3, words[2].elementsEqual("----".utf8), isClock(words[0]) {
            number = String(decoding: words[1], as: UTF8.self)
        }
        readMessage(words)
    }

    /// `****A  START  JOB   42  HELLO     SMITH ...`, the number right-adjusted behind `JOB`.
    private mutating func readSeparator(_ words: [ArraySlice<UInt8>]) {
        guard words.count > 4, words[1].elementsEqual("START".utf8), words[2].starts(with: "JOB".utf8) else { return }
        var at = 3
        var digits = words[2].dropFirst(3)
        if digits.isEmpty {
            digits = words[3]
            at = 4
        }
        guard at < words.count, let number = Int(String(decoding: digits, as: UTF8.self)), number > 0,
            let name = JobName(String(decoding: words[at], as: UTF8.self))
        else { return }
        separator = Separator(name: name, number: number)
    }

    private func isClock(_ word: ArraySlice<UInt8>) -> Bool {
        word.count == 8
            && word.enumerated().allSatisfy {
                $0 == 2 || $0 == 5 ? $1 == 0x2E || $1 == 0x3A : (0x30...0x39).contains($1)
            }
    }

    /// A message may stand behind a clock and a job number.
    private mutating func readMessage(_ words: [ArraySlice<UInt8>]) {
        for at in words.indices.prefix(3)
        where words[at].starts(with: "$HASP".utf8) || words[at].starts(with: "IEF".utf8) {
            let rest = words[(at + 1)...].map { String(decoding: $0, as: UTF8.self) }
            guard let subject = rest.first else { return }
            switch String(decoding: words[at], as: UTF8.self) {
            case "$HASP373", "IEF403I": note(subject)
            case "$HASP395":
                note(subject)
                if end == nil { end = Self.end(rest.dropFirst().joined(separator: " ")) }
            case "IEF453I", "IEFC452I":
                note(subject)
                if rest.joined(separator: " ").contains("JCL ERROR") { failure = failure ?? .jclError }
            case "IEF450I":
                note(subject)
                if let code = Self.abend(rest) { failure = failure ?? code }
            case "IEF142I":
                if let last = rest.last, rest.contains("COND"), let code = Int(last), (0...4095).contains(code) {
                    highest = max(highest ?? 0, code)
                }
            case "$HASP890" where rest.joined(separator: " ").contains("CANCELLED"): failure = failure ?? .canceled
            default: continue
            }
            return
        }
    }

    private mutating func note(_ text: String) { if name == nil { name = JobName(text) } }

    /// `ENDED - RC=0004`, `ENDED - ABEND=S0C7`, `ENDED - JCL ERROR`; a plain `ENDED` says nothing.
    private static func end(_ words: String) -> Outcome? {
        if words.contains("JCL ERROR") { return .jclError }
        if let found = words.firstRange(of: "RC=") {
            return Int(words[found.upperBound...].prefix { $0.isNumber }).flatMap { $0 > 4095 ? nil : .completed($0) }
        }
        return abend(words.split(separator: " ").map(String.init))
    }

    /// `ABEND=S0C7 U0000`: the user code counts where the system's is 000. S222 and S122 are an operator's cancel.
    private static func abend(_ words: [String]) -> Outcome? {
        guard let at = words.firstIndex(where: { $0.hasPrefix("ABEND=") }) else { return nil }
        let code = String(words[at].dropFirst(6).prefix(5))
        if code == "S222" || code == "S122" { return .canceled }
        if code == "S000", at + 1 < words.count, words[at + 1].hasPrefix("U") { return .abended(words[at + 1]) }
        let isCode = code.utf8.count >= 4 && (code.hasPrefix("S") || code.hasPrefix("U"))
        return isCode ? .abended(code) : nil
    }
}

extension Outcome {
    /// The same with what a print-out tells beside it, where the host only said that the job ended well or badly.
    package func told(by printed: Outcome?) -> Outcome {
        guard let printed, returnCode == nil, abend == nil else { return self }
        switch (kind, printed.kind) {
        case (.ok, .ok), (.abend, .abend), (.abend, .jclError), (.abend, .canceled): return printed
        // A host that only says "did not complete", and prints how.
        case (.lost, .abend), (.lost, .jclError), (.lost, .canceled): return printed
        default: return self
        }
    }
}
