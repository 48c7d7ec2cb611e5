import Testing
import Webhooks

private let completed = #"{"type":"job.completed","timestamp":"2026-01-02T03:04:05.678Z","data":{"id":"job_01"}}"#
private let firstSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
private let secondSecret = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
private let seed = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

/// A row of the table in api/webhooks.md, section 1.1.
struct SignatureVector: Sendable, CustomTestStringConvertible {
    let secret: String
    let id: String
    let timestamp: Int64
    let body: String
    let signature: String
    var testDescription: String { "\(secret.prefix(6)) \(id)" }

    static let all = [
        SignatureVector(
            secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp: 1_614_265_330,
            body: #"{"test": 2432232314}"#, signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        SignatureVector(
            secret: firstSecret, id: "evt_0001", timestamp: 1_767_323_045, body: completed,
            signature: "v1,9ynYJ5zlCrLWzCbsevIOCc9HIJeKpo4Owrhx5y6f5Zk="),
        SignatureVector(
            secret: secondSecret, id: "evt_0001", timestamp: 1_767_323_045, body: completed,
            signature: "v1,NVOaCCKIkZhJzRPWLc62gpuhB9duaj6M5ddDlSvmM0c="),
        SignatureVector(
            secret: seed, id: "evt_0001", timestamp: 1_767_323_045, body: completed,
            signature: "v1a,ZED3xnGobcqbpDgOYnCca45oIlQ49Zv6euPV2X3wocAp/Fq/8mgjL26K/QVQjU4f0hjogl+e8tiRUOq5ywf5Cw=="),
    ]
}

@Suite struct SignatureTests {
    @Test(arguments: SignatureVector.all)
    func `the signatures are those of the published vectors`(_ vector: SignatureVector) throws {
        let signer = try Signer(secret: vector.secret)
        #expect(
            signer.signatures(id: vector.id, timestamp: vector.timestamp, body: Array(vector.body.utf8))
                == vector.signature)
        let key = try SigningKey(vector.secret).publicKey ?? vector.secret
        try SignatureVerifier([key]).verify(
            id: vector.id, timestamp: String(vector.timestamp), signatures: vector.signature,
            body: Array(vector.body.utf8), now: vector.timestamp)
    }

    @Test func `the public key of an Ed25519 key is the published one`() throws {
        #expect(try SigningKey(seed).publicKey == "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=")
        #expect(try SigningKey(firstSecret).publicKey == nil)
    }

    @Test func `during a rotation the receiver may know either secret`() throws {
        let signer = Signer([try SigningKey(secondSecret), try SigningKey(firstSecret), try SigningKey(seed)])
        let header = signer.signatures(id: "evt_0001", timestamp: 1_767_323_045, body: Array(completed.utf8))
        #expect(header == [2, 1, 3].map { SignatureVector.all[$0].signature }.joined(separator: " "))
        for key in [firstSecret, secondSecret, "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="] {
            try SignatureVerifier([key]).verify(
                id: "evt_0001", timestamp: "1767323045", signatures: "v9,AAAA " + header, body: Array(completed.utf8),
                now: 1_767_323_045)
        }
    }

    @Test func `what was changed on the way is found out`() throws {
        let verifier = try SignatureVerifier([firstSecret])
        let good = SignatureVector.all[1]
        let body = Array(good.body.utf8)
        func failure(
            id: String = good.id, timestamp: String = "1767323045", signatures: String = good.signature,
            body: [UInt8] = body
        ) -> SignatureVerifier.Failure? {
            do throws(SignatureVerifier.Failure) {
                try verifier.verify(
                    id: id, timestamp: timestamp, signatures: signatures, body: body, now: 1_767_323_045)
                return nil
            } catch { return error }
        }
        #expect(failure() == nil)
        #expect(failure(id: "evt_0002") == .noMatchingSignature)
        #expect(failure(timestamp: "1767323046") == .noMatchingSignature)
        #expect(failure(timestamp: "0001767323045") == .noMatchingSignature)
        #expect(failure(timestamp: "-1767323045") == .malformedTimestamp)
        #expect(failure(timestamp: "") == .malformedTimestamp)
        #expect(failure(timestamp: "99999999999999999999") == .malformedTimestamp)
        #expect(failure(signatures: SignatureVector.all[2].signature) == .noMatchingSignature)
        #expect(failure(signatures: "v1,") == .noMatchingSignature)
        #expect(failure(signatures: "v1") == .noMatchingSignature)
        #expect(failure(signatures: "") == .noMatchingSignature)
        #expect(failure(body: body + [0x20]) == .noMatchingSignature)
        // An entry under another version's name does not count.
        #expect(failure(signatures: "v1a" + good.signature.dropFirst(2)) == .noMatchingSignature)
    }

    @Test(
        arguments: [
            (-301, .timestampTooNew), (-300, nil), (0, nil), (300, nil), (301, .timestampTooOld),
        ] as [(Int64, SignatureVerifier.Failure?)])
    func `the timestamp may be five minutes off to either side`(
        _ age: Int64, _ expected: SignatureVerifier.Failure?
    ) throws {
        let vector = SignatureVector.all[1]
        let verifier = try SignatureVerifier([firstSecret])
        var seen: SignatureVerifier.Failure?
        do throws(SignatureVerifier.Failure) {
            try verifier.verify(
                id: vector.id, timestamp: String(vector.timestamp), signatures: vector.signature,
                body: Array(vector.body.utf8), now: vector.timestamp + age)
        } catch { seen = error }
        #expect(seen == expected)
    }

    @Test(arguments: [
        ("secret", SecretError.unknownKind), ("whsec_!!", .notBase64),
        ("whsk_AAAA", .wrongLength(bytes: 3, allowed: 32...32)),
        ("whsec_AAAA", .wrongLength(bytes: 3, allowed: 24...64)),
        ("whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=", .unknownKind),
    ])
    func `a secret that is none is refused with the reason`(_ text: String, _ error: SecretError) {
        #expect(throws: error) { try SigningKey(text) }
    }

    @Test func `a new secret can be used and is never the same`() throws {
        let secrets = (0..<3).map { _ in SigningKey.newSecret() }
        #expect(Set(secrets).count == 3)
        for secret in secrets { _ = try SigningKey(secret) }
    }
}
