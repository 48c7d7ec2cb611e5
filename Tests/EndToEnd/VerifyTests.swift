import Foundation
import Testing

/// `port77 verify` on files that were kept.
@Suite struct VerifyTests {
    private static let publicKey = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
    private static let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    private static let signatures =
        "v1,9ynYJ5zlCrLWzCbsevIOCc9HIJeKpo4Owrhx5y6f5Zk= "
        + "v1a,ZED3xnGobcqbpDgOYnCca45oIlQ49Zv6euPV2X3wocAp/Fq/8mgjL26K/QVQjU4f0hjogl+e8tiRUOq5ywf5Cw=="
    private static let genuine = """
        POST /hook HTTP/1.1
        webhook-id: evt_0001
        webhook-timestamp: 1767323045
        webhook-signature: \(signatures)

        {"type":"job.completed","timestamp":"2026-01-02T03:04:05.678Z","data":{"id":"job_01"}}
        """

    private func write(_ text: String, to folder: String, as name: String) throws -> String {
        let path = "\(folder)/\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test func `a genuine file ends with 0, by public key, by secret and by a list of keys`() async throws {
        try await withFolder { folder in
            let file = try write(Self.genuine, to: folder, as: "good")
            let listed = try write(#"{"items":[{"key":"\#(Self.publicKey)"}]}"#, to: folder, as: "keys.json")
            let plain = try write(
                "whpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\(Self.secret)\n", to: folder, as: "keys")
            for arguments in [["--key", Self.publicKey], ["--keys", listed], ["--keys", plain]] {
                let result = try await Executable.run(["verify", file] + arguments)
                #expect(result.code == 0, "\(result)")
                #expect(
                    result.output.contains("genuine: evt_0001 job.completed, job job_01; signed 2026-01-02T03:04:05"))
            }
            let result = try await Executable.run(["verify", file], environment: ["WEBHOOK_SECRET": Self.secret])
            #expect(result.code == 0)
            #expect(result.output.contains("by the secret"))
            #expect(!result.output.contains("whsec_"))
        }
    }

    @Test func `one changed file among good ones ends with 1 and is named`() async throws {
        try await withFolder { folder in
            let good = try write(Self.genuine, to: folder, as: "good")
            let bad = try write(Self.genuine.replacing("job_01", with: "job_02"), to: folder, as: "bad")
            let result = try await Executable.run(["verify", bad, good, "--key", Self.publicKey])
            #expect(result.code == 1)
            #expect(result.output.contains("bad: NOT genuine"))
            #expect(result.output.contains("good: genuine"))
        }
    }

    @Test func `what cannot be read, and a missing key, end with 2`() async throws {
        try await withFolder { folder in
            let good = try write(Self.genuine, to: folder, as: "good")
            let none = try write("hello\n", to: folder, as: "none")
            for arguments in [
                [good], [good, "--key", "nonsense"], [none, "--key", Self.publicKey],
                [folder + "/absent", "--key", Self.publicKey], [good, "--keys", folder + "/absent"],
            ] {
                let result = try await Executable.run(["verify"] + arguments)
                #expect(result.code == 2, "\(arguments) \(result)")
                #expect(!result.errors.isEmpty)
            }
        }
    }
}
