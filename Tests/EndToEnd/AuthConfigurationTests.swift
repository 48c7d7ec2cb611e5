import Foundation
import Testing

@Suite struct AuthConfigurationTests {
    private static func check(_ text: String) async throws -> Executable.Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "port77-auth-\(UUID())").path()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/port77.yaml"
        let host = "hosts: [{id: demo, protocol: netrjs, address: ccn.example, terminal: GATE01}]\n"
        try Data((host + text.replacing("FOLDER", with: folder)).utf8).write(to: URL(fileURLWithPath: path))
        return try await Executable.run(["config", "check", path])
    }

    @Test func `issuers, certificates and limits are taken`() async throws {
        let result = try await Self.check(
            """
            auth:
              jwt:
                - issuer: https://id.example/
                  audience: [port77, other]
                  jwks: {url: "https://id.example/keys", ca: /etc/ca.pem}
                  algorithms: [ES256, EdDSA]
                  owner_claim: client_id
                  scope_claim: scp
                  scopes_prefix: "p77:"
                  scopes: [jobs:submit, admin]
                - {issuer: local-tests, audience: port77, jwks: {url: "http://127.0.0.1:1/keys"}, owner: tests}
              certificates:
                - {common_name: ci.example, owner: ci, scopes: [jobs:submit], hosts: [demo]}
                - {san: "uri:spiffe://example/ci", owner: ci}
                - {fingerprint: "\(String(repeating: "AB:", count: 31))AB", owner: ci}
            owner_limits: {submits_per_minute: 60, requests_per_second: off, event_streams: 5, waits: 10, waiting_jobs: 7, active_jobs_per_host: 9,
              deck_octets_per_day: 5000000000}
            """)
        #expect(result.code == 0, "\(result.errors)")
    }

    @Test(arguments: [
        ("jwt: [{issuer: a, jwks: {url: \"https://a/\"}}]", "audience is missing"),
        ("jwt: [{issuer: a, audience: b}]", "jwks is missing"),
        ("jwt: [{issuer: a, audience: b, jwks: {url: \"http://id.example/\"}}]", "url is https://"),
        ("jwt: [{issuer: a, audience: b, jwks: {url: \"https://a/\", file: b}}]", "either {url: URL} or {file: PATH}"),
        ("jwt: [{issuer: a, audience: b, jwks: {url: \"https://a/\"}, algorithms: [HS256]}]", "no others are taken"),
        ("jwt: [{issuer: a, audience: b, jwks: {url: \"https://a/\"}, algorithms: none}]", "no others are taken"),
        ("jwt: [{issuer: a, audience: b, jwks: {url: \"https://a/\"}, scopes: [everything]}]", "scopes are some of"),
        ("jwt: [{issuer: a, audience: b, jwks: {url: \"https://a/\"}, owner: \"a b\"}]", "owner is 1 to 64"),
        ("jwt: [{issuer: a, audience: b, jwks: {file: FOLDER/none.json}}]", "none.json cannot be read"),
        ("jwt: [{issuer: a, audience: b, jwks: {file: FOLDER/port77.yaml}}]", "has no keys to check tokens with"),
        ("certificates: [{common_name: a, san: \"dns:a\", owner: b}]", "known by one of"),
        ("certificates: [{owner: b}]", "known by one of"),
        ("certificates: [{san: \"ip:1\", owner: b}]", "san is dns:NAME"),
        ("certificates: [{fingerprint: abcd, owner: b}]", "64 hexadecimal digits"),
        ("certificates: [{common_name: a}]", "owner is missing"),
        ("keys: []", "keys is not known here"),
    ])
    func `a fault of auth is told in words`(_ text: String, _ words: String) async throws {
        let result = try await Self.check("auth:\n  \(text)\n")
        #expect(result.code == 1)
        #expect(result.errors.contains(words), "\(result.errors)")
    }

    @Test func `a limit is a number or off`() async throws {
        let result = try await Self.check("owner_limits: {submits_per_minute: 0, waits: never}\n")
        #expect(result.errors.contains("submits_per_minute is a number from 1, or off"))
        #expect(result.errors.contains("waits is a number from 1, or off"))
    }
}
