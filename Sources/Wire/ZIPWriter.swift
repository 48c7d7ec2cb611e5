/// Writes a ZIP archive as a stream: sizes and sums stand behind each member, so nothing needs to be known before it comes.
/// Flat memory but for the directory. Always in ZIP64, which has room for any size.
///
///     zip.begin("deck.jcl", to: &output); try zip.append(piece, to: &output); try zip.end(to: &output)
///     zip.finish(to: &output)
///
/// Source: PKWARE APPNOTE 6.3.10.
package struct ZIPWriter: Sendable {
    private struct Member {
        let name: [UInt8]
        let place: UInt64
        var sum = CRC32()
        var size: UInt64 = 0
        var packed: UInt64 = 0
    }

    /// 4.5: made by a reader of ZIP64; bit 3: sizes behind the member; bit 11: the name is UTF-8.
    private static let version: UInt16 = 45
    private static let flags: UInt16 = 0x0808
    private static let deflated: UInt16 = 8

    private let time: UInt16
    private let date: UInt16
    private var length: UInt64 = 0
    private var members: [Member] = []
    private var deflater: Deflater?

    /// - Parameters: of all members, in UTC; DOS has no earlier year than 1980 and no odd second.
    package init(year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int) {
        date = UInt16(clamping: (max(0, min(127, year - 1980)) << 9) | (month & 15) << 5 | day & 31)
        time = UInt16(clamping: (hour & 31) << 11 | (minute & 63) << 5 | (second & 63) / 2)
    }

    /// - Parameter name: relative, its folders divided by `/`.
    package mutating func begin(_ name: String, to output: inout [UInt8]) {
        let member = Member(name: Array(name.utf8.prefix(Int(UInt16.max))), place: length)
        var head = Fields()
        head.add32(0x0403_4B50)
        head.add16(Self.version, Self.flags, Self.deflated, time, date)
        head.add32(0)
        // Sizes behind the member; that they have eight octets there, this field says.
        head.add32(0xFFFF_FFFF)
        head.add32(0xFFFF_FFFF)
        head.add16(UInt16(member.name.count), 20)
        head.octets += member.name
        head.add16(1, 16)
        head.add64(0)
        head.add64(0)
        write(head.octets, &output)
        members.append(member)
        deflater = Deflater(.none)
    }

    package mutating func append(_ octets: [UInt8], to output: inout [UInt8]) throws(Deflater.OutOfMemory) {
        guard let deflater, var member = members.popLast() else { return }
        defer { members.append(member) }
        var packed: [UInt8] = []
        try deflater.append(octets, to: &packed)
        member.sum.update(octets)
        member.size += UInt64(octets.count)
        member.packed += UInt64(packed.count)
        write(packed, &output)
    }

    /// Ends the member.
    package mutating func end(to output: inout [UInt8]) throws(Deflater.OutOfMemory) {
        guard let deflater, var member = members.popLast() else { return }
        defer { members.append(member) }
        self.deflater = nil
        var packed: [UInt8] = []
        try deflater.finish(to: &packed)
        member.packed += UInt64(packed.count)
        write(packed, &output)
        var tail = Fields()
        tail.add32(0x0807_4B50, member.sum.value)
        tail.add64(member.packed)
        tail.add64(member.size)
        write(tail.octets, &output)
    }

    /// The directory.
    package mutating func finish(to output: inout [UInt8]) {
        let place = length
        for member in members {
            var entry = Fields()
            entry.add32(0x0201_4B50)
            entry.add16(3 << 8 | Self.version, Self.version, Self.flags, Self.deflated, time, date)
            entry.add32(member.sum.value, 0xFFFF_FFFF, 0xFFFF_FFFF)
            entry.add16(UInt16(member.name.count), 28, 0, 0, 0)
            entry.add32(0x81A4_0000, 0xFFFF_FFFF)  // a plain file, rw-r--r--
            entry.octets += member.name
            entry.add16(1, 24)
            entry.add64(member.size)
            entry.add64(member.packed)
            entry.add64(member.place)
            write(entry.octets, &output)
        }
        let size = length - place
        let end = length
        var tail = Fields()
        tail.add32(0x0606_4B50)
        tail.add64(44)
        tail.add16(3 << 8 | Self.version, Self.version)
        tail.add32(0, 0)
        tail.add64(UInt64(members.count))
        tail.add64(UInt64(members.count))
        tail.add64(size)
        tail.add64(place)
        tail.add32(0x0706_4B50, 0)
        tail.add64(end)
        tail.add32(1)
        tail.add32(0x0605_4B50)
        tail.add16(0, 0, 0xFFFF, 0xFFFF)
        tail.add32(0xFFFF_FFFF, 0xFFFF_FFFF)
        tail.add16(0)
        write(tail.octets, &output)
    }

    private mutating func write(_ octets: [UInt8], _ output: inout [UInt8]) {
        output += octets
        length += UInt64(octets.count)
    }

    private struct Fields {
        var octets: [UInt8] = []
        mutating func add16(_ values: UInt16...) { for value in values { add(value) } }
        mutating func add32(_ values: UInt32...) { for value in values { add(value) } }
        mutating func add64(_ value: UInt64) { add(value) }
        private mutating func add(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { octets += $0 }
        }
    }
}
