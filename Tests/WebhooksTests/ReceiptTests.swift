import Testing
import Webhooks

private let body = #"{"type":"job.completed","timestamp":"2026-01-02T03:04:05.678Z","data":{"id":"job_01"}}"#
private let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
private let publicKey = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
private let signatures =
    "v1,9ynYJ5zlCrLWzCbsevIOCc9HIJeKpo4Owrhx5y6f5Zk= "
    + "v1a,ZED3xnGobcqbpDgOYnCca45oIlQ49Zv6euPV2X3wocAp/Fq/8mgjL26K/QVQjU4f0hjogl+e8tiRUOq5ywf5Cw=="
private let fields = "Webhook-Id: evt_0001\nwebhook-timestamp: 1767323045\nwebhook-signature: \(signatures)\n"

private func receipt(_ text: String) throws -> Receipt { try Receipt(Array(text.utf8)) }

private let genuine: [String] = [
    fields + "\n" + body,
    fields + "\n" + body + "\n",
    fields + "\n" + body + "\r\n",
    ("POST /hook HTTP/1.1\nHost: ci.example\n" + fields).replacing("\n", with: "\r\n") + "\r\n" + body,
    "HTTP/1.1 200 OK\n" + fields + "content-length: \(body.utf8.count)\n\n" + body + "and what came after",
]

private let changed: [(text: String, keys: [String])] = [
    (fields + "\n" + body.replacing("job_01", with: "job_02"), [secret, publicKey]),
    (fields.replacing("evt_0001", with: "evt_0002") + "\n" + body, [secret, publicKey]),
    (fields.replacing("1767323045", with: "1767323046") + "\n" + body, [secret, publicKey]),
    (fields.replacing("1767323045", with: "soon") + "\n" + body, [secret, publicKey]),
    (fields.replacing("v1,", with: "v2,").replacing("v1a,", with: "v1,") + "\n" + body, [secret, publicKey]),
    (fields + "\n" + body, ["whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="]),
    (fields + "\n" + body, []),
]

private let faulty: [(text: String, fault: Receipt.Fault)] = [
    ("", Receipt.Fault.noEmptyLine), (body, .noEmptyLine), (fields + body, .noEmptyLine),
    ("\n" + body, .noEmptyLine),
    (fields.replacing("Webhook-Id", with: "x-id") + "\n" + body, .missing("webhook-id")),
    (fields + "webhook-id: evt_0002\n\n" + body, .twice("webhook-id")),
    (
        fields + "Content-Length: \(body.utf8.count + 1)\n\n" + body,
        .cutShort(octets: body.utf8.count, announced: body.utf8.count + 1)
    ),
]

@Suite struct ReceiptTests {
    @Test(arguments: genuine)
    func `a kept webhook is verified by secret and by public key, years later`(_ text: String) throws {
        let kept = try receipt(text)
        for key in [secret, publicKey] {
            let found = try #require(try kept.verified(by: [key]))
            #expect(found.key == key)
            #expect(found.body == Array(body.utf8))
        }
    }

    @Test(arguments: changed)
    func `what was changed, or signed by another, is not`(_ text: String, _ keys: [String]) throws {
        #expect(try receipt(text).verified(by: keys) == nil)
    }

    @Test(arguments: faulty)
    func `a file that is no kept webhook says what is wrong`(_ text: String, _ fault: Receipt.Fault) {
        #expect(throws: fault) { try receipt(text) }
    }

    @Test func `the content tells job, outcome and hashes in every mode`() throws {
        let data =
            #"{"id":"J","state":"completed","outcome":{"kind":"ok","text":"CC 0000"},"deck_sha256":"aa","outputs":"#
            + #"[{"number":1,"sha256":"bb"},{"number":2,"sha256":"cc"},{"number":3}]}"#
        let event = #"{"type":"job.completed","timestamp":"t","data":\#(data)}"#
        let content = try #require(ReceiptContent.all(in: Array(event.utf8)).first)
        #expect(content.type == "job.completed")
        #expect(content.job == "J")
        #expect(content.outcome == "CC 0000")
        #expect(content.deckHash == "aa")
        #expect(content.outputHashes == [1: "bb", 2: "cc"])
        let structured = #"{"specversion":"1.0","id":"e","type":"org.port77.job.completed","data":\#(event)}"#
        #expect(ReceiptContent.all(in: Array(structured.utf8)) == [content])
        #expect(ReceiptContent.all(in: Array("[\(structured),\(structured)]".utf8)) == [content, content])
        for other in [data, "hello", "[]", #"{"specversion":"1.0","type":"x"}"#, "[\(structured),7]"] {
            #expect(ReceiptContent.all(in: Array(other.utf8)).isEmpty)
        }
    }
}
