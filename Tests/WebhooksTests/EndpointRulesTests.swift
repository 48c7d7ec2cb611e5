import Foundation
import Jobs
import Stores
import Testing
import Webhooks

@Suite struct EndpointRulesTests {
    private func fault(_ change: (inout Endpoint.Settings) -> Void) -> String? {
        var settings = Endpoint.Settings(url: "https://hooks.example/", events: ["job.completed"])
        change(&settings)
        do throws(EndpointFault) {
            try EndpointRules.check(settings, guarding: AddressGuard())
            return nil
        } catch {
            return error.field
        }
    }

    @Test(arguments: [
        "*", "job.*", "host.*", "webhook.*", "job.completed", "job.queued", "host.up", "host.message",
        "webhook.disabled",
    ])
    func `a type that is sent, or a wildcard over some, is a pattern`(_ text: String) {
        #expect(EndpointRules.isPattern(text))
    }

    @Test(arguments: [
        "", "job", "job.", "job.comp*", "job.done", "jobs.*", "*.completed", "JOB.*", "webhook.test", "**",
    ])
    func `anything else is none`(_ text: String) {
        #expect(!EndpointRules.isPattern(text))
    }

    @Test(arguments: [
        "Authorization", "X-Api-Key", "X-Signature", "Accept", "Cookie", "a", String(repeating: "h", count: 64),
    ])
    func `a header of the receiver's is taken`(_ name: String) {
        #expect(fault { $0.headers = [.init(name: name, value: "Bearer a, b; c=\"d\"")] } == nil)
    }

    @Test(arguments: [
        "Host", "host", "Content-Type", "content-length", "Content-Encoding", "Connection", "Keep-Alive", "TE",
        "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authorization", "Proxy-Connection", "Expect", "webhook-id",
        "Webhook-Signature", "WebHook-Request-Origin", "ce-id", "CE-Type", "User-Agent", "Forwarded",
        "", "a b", "a:b", "a\r\nb", "a\0", "naïve", "(x)", String(repeating: "h", count: 65),
    ])
    func `a header that frames the message or that receivers trust is not`(_ name: String) {
        #expect(fault { $0.headers = [.init(name: name, value: "x")] } == "headers")
    }

    @Test(arguments: [
        "", " ", "a\r\nX: y", "a\nb", "a\0b", "a\u{7F}", "a\tb", "é", String(repeating: "v", count: 1025),
    ])
    func `a value that could end its line, or that libcurl would leave out, is refused`(_ value: String) {
        #expect(fault { $0.headers = [.init(name: "X-A", value: value)] } == "headers")
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let field: String?
        let change: @Sendable (inout Endpoint.Settings) -> Void
    }

    @Test(arguments: [
        Row(testDescription: "an address inside", field: "url") { $0.url = "https://169.254.169.254/" },
        Row(testDescription: "plain http", field: "url") { $0.url = "http://hooks.example/" },
        Row(testDescription: "no event", field: "events") { $0.events = [] },
        Row(testDescription: "32 patterns", field: nil) { $0.events = Array(repeating: "job.*", count: 32) },
        Row(testDescription: "33 patterns", field: "events") { $0.events = Array(repeating: "job.*", count: 33) },
        Row(testDescription: "rate 1", field: nil) { $0.rate = 1 },
        Row(testDescription: "rate 0", field: "rate") { $0.rate = 0 },
        Row(testDescription: "rate 600000", field: nil) { $0.rate = 600_000 },
        Row(testDescription: "rate 600001", field: "rate") { $0.rate = 600_001 },
        Row(testDescription: "concurrency 32", field: nil) { $0.concurrency = 32 },
        Row(testDescription: "concurrency 33", field: "concurrency") { $0.concurrency = 33 },
        Row(testDescription: "concurrency 0", field: "concurrency") { $0.concurrency = 0 },
        Row(testDescription: "no try at all", field: "schedule") { $0.delays = [] },
        Row(testDescription: "a week", field: nil) { $0.delays = [.seconds(604_800)] },
        Row(testDescription: "more than a week", field: "schedule") { $0.delays = [.seconds(604_801)] },
        Row(testDescription: "21 tries", field: "schedule") { $0.delays = Array(repeating: .zero, count: 21) },
        Row(testDescription: "a header twice", field: "headers") {
            $0.headers = [.init(name: "X-A", value: "1"), .init(name: "x-a", value: "2")]
        },
        Row(testDescription: "17 headers", field: "headers") {
            $0.headers = (0..<17).map { .init(name: "X-\($0)", value: "1") }
        },
        Row(testDescription: "a line in the description", field: "description") { $0.description = "a\nb" },
        Row(testDescription: "eight pins", field: nil) { $0.tls.pins = Array(repeating: pin, count: 8) },
        Row(testDescription: "nine pins", field: "tls/pins") { $0.tls.pins = Array(repeating: pin, count: 9) },
        Row(testDescription: "a pin of another digest", field: "tls/pins") {
            $0.tls.pins = ["sha1//" + pin.dropFirst(8)]
        },
        Row(testDescription: "a pin that is a file", field: "tls/pins") { $0.tls.pins = ["/etc/passwd"] },
        Row(testDescription: "two pins in one", field: "tls/pins") { $0.tls.pins = [pin + ";" + pin] },
        Row(testDescription: "a long description", field: "description") {
            $0.description = String(repeating: "é", count: 129)
        },
    ])
    func `settings have limits`(_ row: Row) {
        #expect(fault(row.change) == row.field)
    }

    static let pin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

    struct IdentityRow: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let certificate: String
        let key: String
        let isGood: Bool
    }

    @Test(arguments: [
        IdentityRow(testDescription: "a pair", certificate: "receiver.pem", key: "receiver.key", isGood: true),
        IdentityRow(testDescription: "no key", certificate: "receiver.pem", key: "receiver.pem", isGood: false),
        IdentityRow(testDescription: "no certificate", certificate: "receiver.key", key: "receiver.key", isGood: false),
        IdentityRow(testDescription: "expired", certificate: "expired.pem", key: "receiver.key", isGood: false),
        IdentityRow(testDescription: "another's key", certificate: "authority.pem", key: "receiver.key", isGood: false),
        IdentityRow(testDescription: "a key with a passphrase", certificate: "receiver.pem", key: "", isGood: false),
    ])
    func `a client certificate comes with its own key and is good today`(_ row: IdentityRow) throws {
        func text(_ name: String) throws -> String {
            if name.isEmpty { return Self.lockedKey }
            let folder = #filePath.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
            return try String(contentsOfFile: "\(folder)/Corpus/tls/\(name)", encoding: .utf8)
        }
        let identity = ClientIdentity(certificate: try text(row.certificate), key: try text(row.key))
        #expect(fault { $0.tls.identity = identity } == (row.isGood ? nil : "tls/client_certificate"))
        let inside = fault {
            $0.url = "http://hooks.example/"
            $0.tls.identity = identity
        }
        #expect(inside == "url")
    }

    private static let lockedKey = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgzVq7AC7L6dgICCAAw
        DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEENlkN+9xOmV91C3ko4TGELIEQHuh
        FlSxW3V/oUZerYZOPcY76mrVZuj+CLh/0ndS+Wg+d5SR6pWR83yfoia+Xst0jv0W
        SbO8J690TP60MyNnY9w=
        -----END ENCRYPTED PRIVATE KEY-----
        """
}
