import Foundation
import Jobs
import Logging
import TestKit
import Testing
import Tokens
import Wire

@Suite struct TokenTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private static var rules: IssuerRules { IssuerRules(issuer: "https://id.example/", audiences: ["port77"]) }

    private static func verifier(
        _ rules: IssuerRules = rules, clock: WallClock, in folder: TemporaryFolder
    ) throws -> TokenVerifier {
        let path = folder.path + "/keys.json"
        try Data(Vectors.all.keys).write(to: URL(filePath: path))
        let keeper = KeySetKeeper(.file(path), clock: clock, log: quiet)
        keeper.readIfDue()
        return TokenVerifier([.init(rules, keys: keeper)], clock: clock)
    }

    private static func fault(_ error: TokenFault) -> String {
        String("\(error)".prefix { $0 != "(" })
    }

    @Test(arguments: Vectors.all.rows)
    func `a token that others made meets what is written beside it`(_ row: Vectors.Row) throws {
        let verifier = try Self.verifier(clock: MovedClock().clock, in: TemporaryFolder())
        var met = ""
        do throws(TokenFault) {
            _ = try verifier.grant(for: row.token)
        } catch {
            met = Self.fault(error)
        }
        #expect(met == row.fault)
    }

    @Test func `the stored vectors are all there`() {
        #expect(Vectors.all.rows.count >= 55)
        #expect(Vectors.all.examples.count == 3)
    }

    @Test(arguments: Vectors.all.examples)
    func `an example of the RFCs is signed by its key, and by nothing changed`(_ example: Vectors.Example) throws {
        let keys = try KeySet(parsing: example.keys)
        let algorithm = try #require(SigningAlgorithm(rawValue: example.algorithm))
        let signature = try #require(Base64.decode(example.signature, .url))
        let signed = Array(example.signed.utf8)
        try keys.check(signature, of: signed, algorithm, keyID: nil)
        for at in [0, signed.count / 2, signed.count - 1] {
            var other = signed
            other[at] ^= 1
            #expect(throws: TokenFault.wrongSignature) { try keys.check(signature, of: other, algorithm, keyID: nil) }
        }
        for at in signature.indices {
            var other = signature
            other[at] ^= 0x40
            #expect(throws: TokenFault.wrongSignature) { try keys.check(other, of: signed, algorithm, keyID: nil) }
        }
    }

    @Test func `a set gives the keys that can be used and says why not the others`() throws {
        let keys = try KeySet(parsing: Vectors.all.keys)
        #expect(keys.count == 3)
        #expect(keys.leftOut.count == Vectors.all.leftOut)
        #expect(keys.leftOut.contains { $0.contains("secret") })
    }

    @Test(arguments: [
        ("{}", KeySetDocument.Fault.notAKeySet), ("[]", .notAKeySet), ("", .notAKeySet),
        (#"{"keys":[]}"#, .nothingUsable([])),
        (#"{"keys":[1]}"#, .nothingUsable(["key 1: it is none of RSA, P-256 and Ed25519"])),
        ("{\"keys\":[" + Array(repeating: "{}", count: 101).joined(separator: ",") + "]}", .tooManyKeys(limit: 100)),
    ])
    func `what is no set of keys is refused`(_ text: String, _ fault: KeySetDocument.Fault) {
        #expect(throws: fault) { try KeySet(parsing: Array(text.utf8)) }
    }

    @Test func `a point that is not on its curve is left out`() {
        let zeros = Base64.encode([UInt8](repeating: 1, count: 32), .url)
        let set = #"{"keys":[{"kty":"EC","crv":"P-256","x":"\#(zeros)","y":"\#(zeros)"}]}"#
        #expect(throws: KeySetDocument.Fault.self) { try KeySet(parsing: Array(set.utf8)) }
    }

    @Test func `claims become owner, scopes and subject`() throws {
        let verifier = try Self.verifier(clock: MovedClock().clock, in: TemporaryFolder())
        let grant = try verifier.grant(for: Vectors.all.token("RS256"))
        #expect(grant.owner.description == "payroll")
        #expect(grant.subject == "payroll")
        #expect(grant.scopes == [.jobsSubmit, .jobsRead])
    }

    @Test func `an issuer grants at most what he may`() throws {
        var rules = Self.rules
        rules.mostScopes = [.jobsRead]
        rules.owner = Owner("team")
        let grant = try rules.grant(Self.claims(scope: #""jobs:submit admin jobs:read""#), at: Vectors.now)
        #expect(grant.scopes == [.jobsRead])
        #expect(grant.owner.description == "team")
        #expect(grant.subject == "payroll")
    }

    @Test(
        arguments: [
            (#""p77:jobs:read jobs:submit p77:nonsense""#, [.jobsRead]),
            (#"["p77:jobs:read", "p77:jobs:submit", 7]"#, [.jobsRead, .jobsSubmit]),
            (#""p77:admin""#, Scopes(Scope.allCases.filter { $0 != .admin })),
            (#""""#, []),
        ] as [(String, Scopes)])
    func `scopes are those behind the prefix, of a text or a list`(_ claim: String, _ scopes: Scopes) throws {
        var rules = Self.rules
        rules.scopesPrefix = "p77:"
        #expect(try rules.grant(Self.claims(scope: claim), at: Vectors.now).scopes == scopes)
    }

    @Test func `scopes that are a number are no claim`() {
        #expect(throws: TokenFault.badClaim("scope")) { try Self.rules.grant(Self.claims(scope: "7"), at: Vectors.now) }
    }

    private static func claims(scope: String) throws -> JSONValue {
        let text =
            #"{"iss":"https://id.example/","aud":"port77","sub":"payroll","exp":1800000300,"scope":\#(scope)}"#
        return try JSONValue(parsing: Array(text.utf8))
    }

    @Test func `only the algorithms of its issuer are taken`() throws {
        var rules = Self.rules
        rules.algorithms = [.es256]
        let verifier = try Self.verifier(rules, clock: MovedClock().clock, in: TemporaryFolder())
        _ = try verifier.grant(for: Vectors.all.token("ES256"))
        #expect(throws: TokenFault.algorithmRefused("RS256")) {
            try verifier.grant(for: Vectors.all.token("RS256"))
        }
    }

    @Test func `a token that was good a moment ago ends with its time all the same`() throws {
        let clock = MovedClock()
        let verifier = try Self.verifier(clock: clock.clock, in: TemporaryFolder())
        let token = Vectors.all.token("a time with a fraction")
        _ = try verifier.grant(for: token)
        clock.move(by: .seconds(60))
        _ = try verifier.grant(for: token)
        clock.move(by: .milliseconds(500))
        #expect(throws: TokenFault.expired) { try verifier.grant(for: token) }
    }

    @Test func `whatever comes as token or key set is a fault, or whole and within its limits`() throws {
        var generator = SystemRandomNumberGenerator()
        for name in try FileManager.default.contentsOfDirectory(atPath: Vectors.folder.appending(path: "token").path()) {
            let octets = Array(try Data(contentsOf: Vectors.folder.appending(path: "token/\(name)")))
            #expect(TokenClaim.violation(octets) == nil)
            for _ in 0..<200 {
                var other = octets
                for _ in 0..<Int.random(in: 1...3, using: &generator) where !other.isEmpty {
                    other[Int.random(in: other.indices, using: &generator)] = .random(in: .min ... .max)
                }
                #expect(TokenClaim.violation(other) == nil)
            }
        }
    }
}
