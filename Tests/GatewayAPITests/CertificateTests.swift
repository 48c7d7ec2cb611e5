import GatewayAPI
import Jobs
import Lines
import Testing

@Suite struct CertificateTests {
    private static let print = [UInt8](repeating: 7, count: 32)

    private static func rules() throws -> CertificateRules {
        func owner(_ name: String) throws -> Owner { try #require(Owner(name)) }
        return CertificateRules([
            .init(.fingerprint(print), owner: try owner("printed"), scopes: [.admin]),
            .init(.alternativeName("dns:ci.example"), owner: try owner("ci"), scopes: [.jobsSubmit]),
            .init(.commonName("ops"), owner: try owner("ops"), hosts: []),
        ])
    }

    @Test(
        arguments: [
            (TLSPeer(fingerprint: print, commonName: "ops"), "printed", "certificate:ops"),
            (TLSPeer(fingerprint: [1], alternativeNames: ["dns:x", "dns:ci.example"]), "ci", "certificate:dns:x"),
            (TLSPeer(fingerprint: [1], commonName: "ops"), "ops", "certificate:ops"),
        ] as [(TLSPeer, String, String)])
    func `the first rule that fits says who it is`(_ peer: TLSPeer, _ owner: String, _ actor: String) throws {
        let caller = try #require(try Self.rules().caller(of: peer, from: nil))
        #expect(caller.owner.description == owner)
        #expect(caller.actor == actor)
    }

    @Test(arguments: [
        TLSPeer(fingerprint: [1]), TLSPeer(fingerprint: [1], commonName: "OPS"),
        TLSPeer(fingerprint: [1], commonName: "ci.example"),
        TLSPeer(fingerprint: [1], commonName: "dns:ci.example"),
        TLSPeer(fingerprint: [1], alternativeNames: ["email:ci.example", "dns:ops", "dns:ci.example.evil"]),
    ])
    func `whom no rule knows is nobody`(_ peer: TLSPeer) throws {
        #expect(try Self.rules().caller(of: peer, from: nil)?.owner == nil)
    }
}
