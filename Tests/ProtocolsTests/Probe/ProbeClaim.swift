import Protocols

/// What must hold for whatever a port says: the same end for any split, a verdict that stands once it is given, and a
/// printable excerpt. The fuzz target `probe` compiles this file as well.
enum ProbeClaim {
    /// - Returns: nil when it holds.
    static func violation(_ octets: [UInt8]) -> String? {
        var whole = SpeakerReading()
        whole.append(octets)
        var parts = SpeakerReading()
        var first: Speaker?
        for octet in octets {
            parts.append([octet])
            if first == nil { first = parts.verdict(isComplete: false) }
        }
        if parts != whole { return "a split reads otherwise" }
        if (whole.verdict(isComplete: true) == nil) != octets.isEmpty { return "a word without a verdict" }
        if let first, first.isRJE, whole.verdict(isComplete: true)?.word != first.word {
            return "a verdict does not stand"
        }
        let excerpt = whole.excerpt()
        if !excerpt.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return "an excerpt that is not printable" }
        if excerpt.utf8.count > 80 { return "an excerpt of \(excerpt.utf8.count)" }
        return nil
    }
}
