import TestKit
import Testing
import Wire

@Suite struct OctetSearchTests {
    /// Records found by looking at one octet after the other.
    private static func plain(_ octets: [UInt8], drops: Bool) -> [[UInt8]] {
        var records: [[UInt8]] = []
        var record: [UInt8] = []
        var hasRecord = false
        for octet in octets {
            if octet == 0x0A {
                if drops, record.last == 0x0D { record.removeLast() }
                records.append(record)
                record = []
                hasRecord = false
            } else {
                record.append(octet)
                hasRecord = true
            }
        }
        if hasRecord { records.append(record) }
        return records
    }

    @Test(arguments: [true, false])
    func `records found in many octets at a time are those found one by one`(drops: Bool) {
        var random = SplitMix(seed: 77)
        for _ in 0..<300 {
            // Ends lie 0 to 70 octets apart, so that they come at every place of a vector.
            var octets: [UInt8] = []
            while octets.count < 400 {
                octets += (0..<Int.random(in: 0...70, using: &random)).map { _ in
                    UInt8.random(in: 0x0B...0x0C, using: &random)
                }
                octets += [[0x0A], [0x0D, 0x0A], [0x0D], [0x0D, 0x0D, 0x0A]].randomElement(using: &random) ?? []
            }
            var reader = RecordReader(.ended(by: 0x0A, dropsCarriageReturn: drops))
            let cut = Int.random(in: 0...octets.count, using: &random)
            var records = reader.append(octets.span.extracting(..<cut))
            records += reader.append(octets.span.extracting(cut...))
            records += reader.finish()
            #expect(records.map(\.octets) == Self.plain(octets, drops: drops))
        }
    }

    @Test func `a character that JSON escapes is found wherever it stands`() {
        for escaped: UInt8 in [0x00, 0x1F, 0x22, 0x5C] {
            for length in 1...40 {
                for place in 0..<length {
                    var octets = [UInt8](repeating: 0x61, count: length)
                    octets[place] = escaped
                    let text = String(decoding: octets, as: UTF8.self)
                    var json = JSONWriter()
                    json.string(text)
                    #expect((try? JSONValue(parsing: json.bytes))?.string == text)
                    #expect(json.bytes.count > length + 2)
                }
            }
        }
    }
}
