package import HTTPCore
package import Jobs
package import Lines
import Wire

/// Who the bearer of a client certificate is. The listener has checked by then that one of its authorities signed it.
package struct CertificateRule: Equatable, Sendable {
    package enum Match: Equatable, Sendable {
        /// Of the subject.
        case commonName(String)
        /// `dns:NAME`, `email:ADDRESS` or `uri:URI`.
        case alternativeName(String)
        /// SHA-256 over the certificate.
        case fingerprint([UInt8])

        func fits(_ peer: TLSPeer) -> Bool {
            switch self {
            case .commonName(let name): peer.commonName == name
            case .alternativeName(let name): peer.alternativeNames.contains(name)
            case .fingerprint(let octets): peer.fingerprint == octets
            }
        }
    }

    package var match: Match
    package var owner: Owner
    package var scopes: Scopes
    /// Hosts of which the bearer may know; nil: all.
    package var hosts: Set<HostID>?

    package init(_ match: Match, owner: Owner, scopes: Scopes = .client, hosts: Set<HostID>? = nil) {
        self.match = match
        self.owner = owner
        self.scopes = scopes
        self.hosts = hosts
    }
}

/// The certificates that are credentials.
package struct CertificateRules: Equatable, Sendable {
    package var rules: [CertificateRule]

    package init(_ rules: [CertificateRule]) { self.rules = rules }

    /// Credentials in the request go before the certificate of the connection.
    ///
    /// - Returns: nil when the client showed none that a rule knows; the first rule that fits counts.
    package func caller(of request: Request) -> Caller? {
        guard request["authorization"] == nil, let peer = request.tlsPeer else { return nil }
        return caller(of: peer, from: request.peer)
    }

    package func caller(of peer: TLSPeer, from address: SocketAddress?) -> Caller? {
        guard let rule = rules.first(where: { $0.match.fits(peer) }) else { return nil }
        let name = peer.commonName ?? peer.alternativeNames.first ?? String(Hex.encode(peer.fingerprint).prefix(16))
        return Caller(
            owner: rule.owner, scopes: rule.scopes, hosts: rule.hosts, actor: "certificate:\(name.prefix(128))",
            peer: address)
    }
}
