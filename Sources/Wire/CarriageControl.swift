/// What the first octet of a print record says about paper motion.
package enum CarriageControl: String, CaseIterable, Sendable {
    /// No such octet: every record is a line.
    case none = "NONE"
    /// A character, obeyed before the line is printed. Source: ANSI X3.4 FORTRAN carriage control, as in MVS RECFM=FBA.
    case asa = "ASA"
    /// A channel command code, obeyed after the line is printed, or by itself. Source: IBM GA24-3312, 1403 and 3211.
    case machine = "MACHINE"
}

/// One order to the paper.
package enum PaperMotion: Equatable, Sendable {
    /// So many lines down; 0 prints over the same line.
    case space(Int)
    /// The top of the next page.
    case newPage
}

extension CarriageControl {
    /// The motion before the line of an ASA record. Channels 2 to 12 have no place on a text page: a single space, as for
    /// a character that means nothing.
    package static func asaMotion(_ character: Unicode.Scalar) -> PaperMotion {
        switch character {
        case "0": .space(2)
        case "-": .space(3)
        case "+": .space(0)
        case "1": .newPage
        default: .space(1)
        }
    }

    /// The motion of a machine code, and whether it comes before the text (an immediate command, which on the real
    /// printer has none) or after it.
    ///
    /// Codes are motion × 8 + 1 (write, then move) or + 3 (move at once); motion 0 to 3 spaces, 16 + n skips to channel
    /// n. Channels other than 1, and codes that are none, space one line.
    package static func machineMotion(_ code: UInt8) -> (motion: PaperMotion, isImmediate: Bool) {
        let isImmediate = code & 0x07 == 0x03
        guard isImmediate || code & 0x07 == 0x01 else { return (.space(1), false) }
        switch code >> 3 {
        case 0: return (.space(0), isImmediate)  // 01 write without space, 03 no operation
        case 1...3: return (.space(Int(code >> 3)), isImmediate)
        case 17: return (.newPage, isImmediate)
        default: return (.space(1), isImmediate)
        }
    }
}
