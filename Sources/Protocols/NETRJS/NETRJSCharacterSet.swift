extension NETRJS {
    /// The code of a terminal's reader and printer, chosen by the contact port. Its punch is never translated, its console
    /// is ASCII always.
    package enum CharacterSet: String, CaseIterable, Sendable {
        case ebcdic
        case ascii68 = "ascii-68"
        /// The Model 33 teletype.
        case ascii63 = "ascii-63"

        /// In profile N1, as on the network before TCP; 74 for the 75 that was given away.
        package var contactPort: Int {
            switch self {
            case .ebcdic: 71
            case .ascii68: 73
            case .ascii63: 74
            }
        }

        /// What runs of blanks stand for, and what is left out at the end of a record.
        package var blank: UInt8 { self == .ebcdic ? 0x40 : 0x20 }
    }

    /// The blank of a punch stream, whatever the terminal's code.
    package static let punchBlank: UInt8 = 0x40

    /// ASCII-68 as the host's EBCDIC. DC3 and DC4 are swapped against the usual tables, so that DC4 is TM, as RFC 740 has it.
    private static let ascii68ToEBCDIC: [UInt8] = [
        0x00, 0x01, 0x02, 0x03, 0x37, 0x2D, 0x2E, 0x2F, 0x16, 0x05, 0x25, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
        0x10, 0x11, 0x12, 0x3C, 0x13, 0x3D, 0x32, 0x26, 0x18, 0x19, 0x3F, 0x27, 0x1C, 0x1D, 0x1E, 0x1F,
        0x40, 0x5A, 0x7F, 0x7B, 0x5B, 0x6C, 0x50, 0x7D, 0x4D, 0x5D, 0x5C, 0x4E, 0x6B, 0x60, 0x4B, 0x61,
        0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0x7A, 0x5E, 0x4C, 0x7E, 0x6E, 0x6F,
        0x7C, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6,
        0xD7, 0xD8, 0xD9, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xAD, 0x4A, 0xBD, 0x71, 0x6D,
        0x79, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96,
        0x97, 0x98, 0x99, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0x8B, 0x4F, 0x9B, 0x5F, 0x07,
    ]

    private static let ascii63ToEBCDIC: [UInt8] = {
        var table = ascii68ToEBCDIC
        table[0x5B] = 0x4F
        table[0x5D] = 0x5F
        table[0x7C] = 0xAD
        table[0x7E] = 0xBD
        return table
    }()

    /// Codes from 80 on become EBCDIC `?`.
    private static func toEBCDIC(_ table: [UInt8]) -> [UInt8] { table + Array(repeating: 0x6F, count: 128) }

    /// Codes without a partner become ASCII `?`.
    private static func fromEBCDIC(_ table: [UInt8]) -> [UInt8] {
        var inverse = [UInt8](repeating: 0x3F, count: 256)
        for (ascii, ebcdic) in table.enumerated() { inverse[Int(ebcdic)] = UInt8(ascii) }
        return inverse
    }

    private static let identity = (0...255).map { UInt8($0) }
    private static let to68 = toEBCDIC(ascii68ToEBCDIC)
    private static let to63 = toEBCDIC(ascii63ToEBCDIC)
    private static let from68 = fromEBCDIC(ascii68ToEBCDIC)
    private static let from63 = fromEBCDIC(ascii63ToEBCDIC)
    private static let between = identity.map { octet in octet < 0x80 ? from63[Int(to68[Int(octet)])] : 0x3F }

    /// A terminal's octets as the host's EBCDIC: 256 entries.
    package static func toEBCDIC(_ set: CharacterSet) -> [UInt8] {
        switch set {
        case .ebcdic: identity
        case .ascii68: to68
        case .ascii63: to63
        }
    }

    /// The host's EBCDIC as a terminal's octets: 256 entries.
    package static func fromEBCDIC(_ set: CharacterSet) -> [UInt8] {
        switch set {
        case .ebcdic: identity
        case .ascii68: from68
        case .ascii63: from63
        }
    }

    /// ASCII-68 as ASCII-63 and back, which is the same table: bar and not-sign change places with the brackets.
    package static let betweenASCIIs: [UInt8] = between
}
