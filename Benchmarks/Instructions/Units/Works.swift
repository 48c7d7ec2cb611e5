import HTTPCore
import Webhooks
import Wire

/// What the compiler must not leave out.
@inline(never) func use(_ value: Int) { if value == .min { print(value) } }

let request = Array(
    """
    GET /v1/jobs/01M84C2FC6DR3GEF93NF2VHY7Z?view=full&wait=30 HTTP/1.1\r
    Host: rje.example:8077\r
    User-Agent: curl/8.14.1\r
    Accept: application/json\r
    Accept-Encoding: gzip, deflate\r
    Authorization: Bearer p77_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH\r
    Prefer: wait=30\r
    \r\n
    """.utf8)
let chunks = Array(
    ("POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + String(repeating: "50\r\n\(String(repeating: "X", count: 80))\r\n", count: 26) + "0\r\n\r\n").utf8)
/// 64 KiB of print-out, records of 1 to 132 octets with carriage control.
let printOut: [UInt8] = {
    var octets: [UInt8] = []
    var number = 0
    while octets.count < 1 << 16 {
        octets += Array("\(number % 60 == 0 ? "1" : " ")LINE \(number) ".utf8)
        octets += [UInt8](repeating: UInt8(ascii: "."), count: number * 37 % 110) + [0x0A]
        number += 1
    }
    return octets
}()
let records = printOut.count { $0 == 0x0A }
let ebcdic = (try? CodePage.cp037.encode(String(decoding: printOut, as: UTF8.self))) ?? []
let jobID = String("01M84C2FC6DR3GEF93NF2VHY7Z"[...])
let hookBody = [UInt8](repeating: UInt8(ascii: "x"), count: 1024)

let signer = try? Signer(secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

func parse(_ octets: [UInt8]) {
    var parser = RequestParser()
    var offset = 0
    var events = 0
    while let event = try? parser.next(octets.span, at: &offset) {
        events += 1
        if event == .end { break }
    }
    use(events)
}

func writeDocument() {
    var json = JSONWriter(capacity: 1024)
    json.beginObject()
    json.key("id")
    json.string("01M84C2FC6DR3GEF93NF2VHY7Z")
    json.key("host")
    json.string("demo")
    json.key("name")
    json.string("PAYROLL")
    json.key("state")
    json.string("completed")
    json.key("outcome")
    json.beginObject()
    json.key("return_code")
    json.int(4)
    json.key("text")
    json.string("CC 0004 \"as the host said\"")
    json.endObject()
    json.key("outputs")
    json.beginArray()
    for number in 1...4 {
        json.beginObject()
        json.key("number")
        json.int(number)
        json.key("dd")
        json.string("JESMSGLG")
        json.key("octets")
        json.int(123_456 * number)
        json.key("sha256")
        json.string("b6bf766b691241f937c136a446c8a860973387fc4a2c350122543eee13505899")
        json.key("growing")
        json.bool(false)
        json.endObject()
    }
    json.endArray()
    json.endObject()
    use(json.bytes.count)
}

func split() {
    var splitter = RecordSplitter(.text(.ascii))
    splitter.append(printOut)
    var octets = 0
    while let record = try? splitter.next() { octets += record.count }
    use(octets)
}

func render() {
    var text: [UInt8] = []
    text.reserveCapacity(printOut.count + 4096)
    var renderer = TextRenderer(.asa, records: .text(.ascii), code: .ascii)
    renderer.append(printOut.span, to: &text)
    renderer.finish(to: &text)
    use(text.count)
}

func decode() {
    var text: [UInt8] = []
    text.reserveCapacity(ebcdic.count)
    CodePage.cp037.decode(ebcdic.span, to: &text)
    use(text.count)
}

func encode() {
    var octets: [UInt8] = []
    octets.reserveCapacity(printOut.count)
    try? CodePage.cp037.encode(printOut.span, to: &octets)
    use(octets.count)
}

/// What is done, and how many units of the table that is.
let works: [(name: String, units: Int, work: @Sendable () -> Void)] = [
    ("request head of 290 octets", 1, { parse(request) }),
    ("chunked deck, a chunk", 26, { parse(chunks) }),
    ("job document of 730 octets", 1, writeDocument),
    ("record splitting, a record", records, split),
    ("print-out to text, a record", records, render),
    ("EBCDIC to UTF-8, a KiB", ebcdic.count / 1024, decode),
    ("UTF-8 to EBCDIC, a KiB", printOut.count / 1024, encode),
    ("job ID read", 1, { use(Crockford.decode(jobID) == nil ? 0 : 1) }),
    (
        "signature of 1 KiB", 1,
        {
            use(
                signer?.signatures(id: "evt_01M84C2FC6DR3GEF93", timestamp: 1_767_225_600, body: hookBody).utf8.count
                    ?? .min)
        }
    ),
    ("base64, a KiB", 1, { use(Base64.encode(hookBody).utf8.count) }),
]
