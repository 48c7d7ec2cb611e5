import Wire

/// Records as programs read them.
enum RecordDocument {
    /// What is no carriage control in a record.
    static func text(_ record: PrintRecord, of file: OutputFile) -> ArraySlice<UInt8> {
        file.control == .none ? record.octets[...] : record.octets.dropFirst()
    }

    static func bytes(_ record: PrintRecord, number: Int, of file: OutputFile) -> [UInt8] {
        var json = JSONWriter(capacity: record.octets.count + 64)
        json.beginObject()
        write(record, number: number, of: file, to: &json)
        json.endObject()
        return json.bytes
    }

    /// The members of an object that is begun already.
    static func write(_ record: PrintRecord, number: Int, of file: OutputFile, to json: inout JSONWriter) {
        json.key("output")
        json.int(file.number)
        json.key("record")
        json.int(number)
        if let first = record.octets.first, file.control != .none {
            json.key("control")
            json.string(file.control == .asa ? String(file.page.scalar(for: first)) : Hex.encode([first]))
        }
        let octets = text(record, of: file)
        if isText(octets, file.page) {
            var utf8: [UInt8] = []
            file.page.decode(Array(octets).span, to: &utf8)
            json.key("text")
            json.string(decoding: utf8)
        } else {
            json.key("base64")
            json.string(Base64.encode(Array(octets)))
        }
        if record.isCut {
            json.key("octets")
            json.int(record.length)
            json.key("cut")
            json.bool(true)
        }
    }

    /// Nothing but characters: what is none is handed out as octets.
    static func isText(_ octets: ArraySlice<UInt8>, _ page: CodePage) -> Bool {
        let table = page.latin1Table
        return octets.allSatisfy { octet in
            switch table[Int(octet)] {
            case 0x20...0x7E, 0x09: true
            case 0xA0...0xFF: page != .ascii
            default: false
            }
        }
    }
}
