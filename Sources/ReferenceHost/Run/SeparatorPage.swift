/// START and END pages: name and number in block letters, four lines that programs can read.
///
/// Source: the form of JES2's separators that `hasp-bsc.md` section 18.2 composes.
enum SeparatorPage {
    enum Place: String { case start = "START", end = "END" }

    /// Lines without carriage control; the first belongs on a new page.
    static func lines(
        _ place: Place, number: HostJobNumber, name: String, programmer: String, outputClass: UInt8, host: String,
        time: PrintedTime
    ) -> [String] {
        let mark = "****" + String(UnicodeScalar(outputClass))
        let word = place == .start ? "START" : " END "
        let job = "JOB\(right(number.value, 5))"
        let hour = (time.hour + 11) % 12 + 1
        let clock = "\(right(hour, 2)).\(pad(time.minute, 2)).\(pad(time.second, 2)) \(time.hour < 12 ? "AM" : "PM")"
        let tail = String(mark.reversed())
        let detail =
            "\(mark)  \(word)  \(job)  \(left(name, 8))  \(left(programmer, 20)) ROOM        \(clock) \(time.date.dropLast(4))\(time.date.suffix(2))"
            + "  PRINTER1  SYS \(left(host, 4))  \(job)  \(word)  \(tail)"
        return [""] + letters(name) + ["", ""] + letters(number.description) + ["", ""]
            + Array(repeating: detail, count: 4)
    }

    /// Seven lines; each dot is two columns wide.
    static func letters(_ text: String) -> [String] {
        (0..<7).map { row in
            text.utf8.map { octet in
                let columns = font[octet] ?? [0, 0, 0, 0, 0]
                return columns.map {
                    $0 >> UInt8(row) & 1 == 1 ? String(repeating: UnicodeScalar(octet).description, count: 2) : "  "
                }
                .joined()
            }.joined(separator: "  ")
        }
    }

    /// Five columns a letter, the lowest bit at the top.
    private static let font: [UInt8: [UInt8]] = {
        let shapes: [(Character, UInt64)] = [
            ("0", 0x3E_5149_453E), ("1", 0x00_427F_4000), ("2", 0x42_6151_4946), ("3", 0x21_4145_4B31),
            ("4", 0x18_1412_7F10), ("5", 0x27_4545_4539), ("6", 0x3C_4A49_4930), ("7", 0x01_7109_0503),
            ("8", 0x36_4949_4936), ("9", 0x06_4949_291E), ("A", 0x7E_1111_117E), ("B", 0x7F_4949_4936),
            ("C", 0x3E_4141_4122), ("D", 0x7F_4141_221C), ("E", 0x7F_4949_4941), ("F", 0x7F_0909_0901),
            ("G", 0x3E_4149_497A), ("H", 0x7F_0808_087F), ("I", 0x00_417F_4100), ("J", 0x20_4041_3F01),
            ("K", 0x7F_0814_2241), ("L", 0x7F_4040_4040), ("M", 0x7F_020C_027F), ("N", 0x7F_0408_107F),
            ("O", 0x3E_4141_413E), ("P", 0x7F_0909_0906), ("Q", 0x3E_4151_215E), ("R", 0x7F_0919_2946),
            ("S", 0x46_4949_4931), ("T", 0x01_017F_0101), ("U", 0x3F_4040_403F), ("V", 0x1F_2040_201F),
            ("W", 0x3F_4038_403F), ("X", 0x63_1408_1463), ("Y", 0x07_0870_0807), ("Z", 0x61_5149_4543),
            ("#", 0x14_7F14_7F14), ("$", 0x24_2A7F_2A12), ("@", 0x32_4979_413E),
        ]
        var font: [UInt8: [UInt8]] = [:]
        for (character, shape) in shapes {
            guard let octet = character.asciiValue else { continue }
            font[octet] = (0..<5).map { UInt8(truncatingIfNeeded: shape >> UInt64(8 * (4 - $0))) }
        }
        return font
    }()
}
