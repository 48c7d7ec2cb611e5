import Foundation
import Testing
import Webhooks

/// The Swift of `docs/webhooks.md` is `ReceiverExample.swift` beside this file, so that it is compiled and run.
@Suite struct ReceiverExampleTests {
    private let secret = SigningKey.newSecret()
    private let body = Array(#"{"type":"job.completed"}"#.utf8)
    private let seed = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    private let publicKey = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="

    @Test func `the page shows what is compiled here`() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let page = try String(
            contentsOf: folder.appending(path: "../../docs/webhooks.md").standardizedFileURL, encoding: .utf8)
        let code = try String(contentsOf: folder.appending(path: "ReceiverExample.swift"), encoding: .utf8)
        #expect(page.contains("<!-- check: swift -->\n```swift\n\(code)```\n"))
    }

    private func taken(
        _ keys: [String], id: String = "evt_1", signedAt: Int64 = 1_767_323_045, now: Int = 1_767_323_045,
        stamp: String? = nil, body other: [UInt8]? = nil
    ) throws -> Bool {
        let signer = Signer([try SigningKey(secret), try SigningKey(seed)])
        let signatures = signer.signatures(id: "evt_1", timestamp: signedAt, body: body)
        return isGenuine(
            id: id, timestamp: stamp ?? String(signedAt), signatures: signatures, body: Data(other ?? body), keys: keys,
            now: now)
    }

    @Test func `it takes what this gateway signs, by secret and by public key`() throws {
        #expect(try taken([secret]))
        #expect(try taken([publicKey]))
        #expect(try taken([SigningKey.newSecret(), secret]))
        #expect(try taken([secret], now: 1_767_323_045 + 300))
    }

    @Test func `it refuses everything else`() throws {
        #expect(try !taken([SigningKey.newSecret()]))
        #expect(try !taken([]))
        #expect(try !taken([secret, publicKey], id: "evt_2"))
        #expect(try !taken([secret, publicKey], body: body + [0x20]))
        #expect(try !taken([secret, publicKey], now: 1_767_323_045 + 301))
        #expect(try !taken([secret, publicKey], now: 1_767_323_045 - 301))
        #expect(try !taken([secret, publicKey], stamp: "soon"))
        #expect(try !taken(["whsec_?", "whpk_?", "?", ""]))
    }
}
