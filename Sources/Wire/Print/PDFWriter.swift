/// Writes a PDF 1.4 file as a stream: objects in the order they are made, their places counted, the table of places last. Flat
/// memory but for five octets an object.
///
/// Source: ISO 32000-1, 7.5 (file structure).
struct PDFWriter: Sendable {
    /// Octets written so far.
    private(set) var length = 0
    /// Where each object begins, by its number from 1; 0 while it is only reserved. 40 bits are more than the table can tell.
    private var places: (low: [UInt32], high: [UInt8]) = ([], [])
    /// Where the table begins, and how many places of it are written.
    private var table: (place: Int, written: Int)?
    private static let placesAtOnce = 1000

    mutating func begin(to output: inout [UInt8]) {
        write("%PDF-1.4\n%\u{E9}\u{E9}\n", to: &output)
    }

    /// A number for an object that is written later.
    mutating func reserve() -> Int {
        places.low.append(0)
        places.high.append(0)
        return places.low.count
    }

    mutating func object(_ number: Int, _ body: String, to output: inout [UInt8]) {
        begin(number)
        write("\(number) 0 obj\n\(body)\nendobj\n", to: &output)
    }

    mutating func stream(_ number: Int, _ entries: String, _ content: [UInt8], to output: inout [UInt8]) {
        begin(number)
        write("\(number) 0 obj\n<< \(entries) /Length \(content.count) >>\nstream\n", to: &output)
        output += content
        length += content.count
        write("\nendstream\nendobj\n", to: &output)
    }

    /// The table and the trailer, a part of it with each call. A file of ten places of figures, 10 GB, is the most the table can
    /// hold.
    ///
    /// - Returns: whether there is more to come.
    mutating func end(root: Int, info: Int, to output: inout [UInt8]) -> Bool {
        let count = places.low.count
        let (place, start) = table ?? (length, 0)
        if table == nil { write("xref\n0 \(count + 1)\n0000000000 65535 f \n", to: &output) }
        let end = min(count, start + Self.placesAtOnce)
        for index in start..<end {
            let digits = String(Int(places.high[index]) << 32 | Int(places.low[index]))
            write(String(repeating: "0", count: max(0, 10 - digits.utf8.count)) + digits + " 00000 n \n", to: &output)
        }
        table = (place, end)
        if end < count { return true }
        write(
            "trailer\n<< /Size \(count + 1) /Root \(root) 0 R /Info \(info) 0 R >>\nstartxref\n\(place)\n%%EOF\n",
            to: &output)
        return false
    }

    private mutating func begin(_ number: Int) {
        places.low[number - 1] = UInt32(truncatingIfNeeded: length)
        places.high[number - 1] = UInt8(truncatingIfNeeded: length >> 32)
    }

    private mutating func write(_ text: String, to output: inout [UInt8]) {
        let before = output.count
        output += Array(text.utf8)
        length += output.count - before
    }

    /// A text string: PDFDocEncoding for Latin-1, UTF-16 for all else.
    static func text(_ value: String) -> String {
        var hex = "<"
        let isLatin = value.unicodeScalars.allSatisfy {
            (0x20...0x7E).contains($0.value) || (0xA1...0xFF).contains($0.value)
        }
        if isLatin {
            for scalar in value.unicodeScalars { hex += Hex.encode([UInt8(truncatingIfNeeded: scalar.value)]) }
        } else {
            hex += "FEFF"
            for unit in value.utf16 { hex += Hex.encode([UInt8(unit >> 8), UInt8(unit & 0xFF)]) }
        }
        return hex + ">"
    }
}
