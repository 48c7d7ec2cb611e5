import Testing
import Wire

struct TextFormTests {
    /// Source: RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `Base64 is that of the RFC`(_ plain: String, _ coded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == coded)
        #expect(Base64.decode(coded) == Array(plain.utf8))
        let url = coded.filter { $0 != "=" }
        #expect(Base64.encode(Array(plain.utf8), .url) == url)
        #expect(Base64.decode(url, .url) == Array(plain.utf8))
    }

    @Test func `the alphabets differ in two characters`() {
        #expect(Base64.encode([0xFB, 0xEF, 0xFF]) == "++//")
        #expect(Base64.encode([0xFB, 0xEF, 0xFF], .url) == "--__")
    }

    @Test(arguments: ["Zg", "Zg=", "Zg===", "Zh==", "Z", "Zm9v=", "Zm=v", "Zm9\n", "Zm 9v", "--__"])
    func `other Base64 is refused`(_ text: String) { #expect(Base64.decode(text) == nil) }

    @Test func `hex goes both ways`() {
        #expect(Hex.encode([0x00, 0xAF]) == "00af")
        #expect(Hex.decode("00aF") == [0x00, 0xAF])
        #expect(Hex.decode("0") == nil && Hex.decode("0g") == nil)
        #expect(Hex.excerpt([1, 2, 3], limit: 2) == "01 02 …")
    }

    @Test(arguments: [
        (0 as UInt128, "00000000000000000000000000"), (.max, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"),
        (31, "0000000000000000000000000Z"), (0x0198_0000_0000_0000_0000_0000_0000_0001, "01K00000000000000000000001"),
    ])
    func `Crockford's digits are those of a ULID`(_ value: UInt128, _ text: String) {
        #expect(Crockford.encode(value) == text)
        #expect(Crockford.decode(text.lowercased()) == value)
    }

    @Test(arguments: ["", "80000000000000000000000000", "0000000000000000000000000U", "0000000000000000000000000"])
    func `what is no 128-bit number is refused`(_ text: String) { #expect(Crockford.decode(text) == nil) }

    @Test func `letters that look like digits are read as them`() {
        #expect(Crockford.decode("OOOOOOOOOOOOOOOOOOOOOOOOIL") == 33)
    }

    @Test func `a cursor stays inside`() {
        var cursor = ByteCursor([1, 2, 3, 0x15, 9])
        #expect(cursor.bigEndian(UInt16.self) == 0x0102)
        #expect(cursor.take(4) == nil && cursor.take(-1) == nil && cursor.offset == 2)
        #expect(cursor.take(upTo: 0x15) == [3] && cursor.take(upTo: 0x15) == nil)
        #expect(cursor.peek() == 9 && cursor.octet() == 9 && cursor.octet() == nil && cursor.isAtEnd)
        #expect(cursor.bigEndian(UInt8.self) == nil && cursor.takeRest().isEmpty)
    }
}
