/// A dialogue as a text file, for the machine test, the socket test and the fuzzer alike. One step a line:
///
///     # where it was captured, and what it shows
///     > 01 2D            what our side sends, in hex; words after two spaces are for people
///     < 32 32 10 70      what the other side sends
///     >| USER RMT7       a line of text; CR LF is added
///     <: A line\n        octets as text, nothing added; \n \r \t \\ and \xHH as usual
///     + 3s               silence: seconds (s) or milliseconds (ms)
///     ! submit a.jcl     for whoever plays the transcript
package struct Transcript: Sendable {
    package enum Content: Equatable, Sendable {
        case sent([UInt8])
        case received([UInt8])
        case silence(Duration)
        case directive(String)
    }

    package struct Step: Equatable, Sendable {
        /// In the file, from 1.
        package let line: Int
        package let content: Content
    }

    package struct Fault: Error, Equatable {
        package let line: Int
        package let text: String
    }

    package let name: String
    package let steps: [Step]

    package init(name: String, text: String) throws(Fault) {
        self.name = name
        var steps: [Step] = []
        for (at, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard let content = try Self.content(String(line), number: at + 1) else { continue }
            steps.append(Step(line: at + 1, content: content))
        }
        self.steps = steps
    }

    /// All that our side sends, or the other.
    package var sent: [UInt8] {
        steps.flatMap { step -> [UInt8] in if case .sent(let octets) = step.content { octets } else { [] } }
    }
    package var received: [UInt8] {
        steps.flatMap { step -> [UInt8] in if case .received(let octets) = step.content { octets } else { [] } }
    }

    private static func content(_ line: String, number: Int) throws(Fault) -> Content? {
        guard let sign = line.first, sign != "#" else { return nil }
        let fault = Fault(line: number, text: line)
        let form = line.dropFirst().first ?? " "
        let rest = String(line.dropFirst(form == " " ? 2 : 3))
        switch (sign, form) {
        case (">", " "), ("<", " "), (">", "|"), ("<", "|"), (">", ":"), ("<", ":"):
            let octets: [UInt8]? =
                switch form {
                case " ": hex(rest)
                case "|": Array(rest.utf8) + [0x0D, 0x0A]
                default: unescaped(rest)
                }
            guard let octets else { throw fault }
            return sign == ">" ? .sent(octets) : .received(octets)
        case ("+", " "):
            let unit: Double = rest.hasSuffix("ms") ? 0.001 : 1
            guard rest.hasSuffix("s"), let number = Double(rest.prefix { $0.isNumber || $0 == "." }) else {
                throw fault
            }
            return .silence(.seconds(number * unit))
        case ("!", " "): return .directive(rest)
        default: throw fault
        }
    }

    private static func hex(_ text: String) -> [UInt8]? {
        var octets: [UInt8] = []
        for word in text.prefix(upTo: text.firstRange(of: "  ")?.lowerBound ?? text.endIndex).split(separator: " ") {
            guard word.utf8.count == 2, let octet = UInt8(word, radix: 16) else { return nil }
            octets.append(octet)
        }
        return octets
    }

    private static func unescaped(_ text: String) -> [UInt8]? {
        var octets: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let octet = rest.popFirst() {
            guard octet == 0x5C else {
                octets.append(octet)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "n"): octets.append(0x0A)
            case UInt8(ascii: "r"): octets.append(0x0D)
            case UInt8(ascii: "t"): octets.append(0x09)
            case 0x5C: octets.append(0x5C)
            case UInt8(ascii: "x"):
                guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else { return nil }
                rest = rest.dropFirst(2)
                octets.append(value)
            default: return nil
            }
        }
        return octets
    }
}
