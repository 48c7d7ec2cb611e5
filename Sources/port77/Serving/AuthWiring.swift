import GatewayAPI
import HTTPCore
import Logging
import Tokens

/// Credentials that are not the gateway's own keys, as its door asks for them: nil means not mine, a problem means refused.
struct OtherCredentials: Sendable {
    let tokens: TokenVerifier?
    let certificates: CertificateRules

    init(_ auth: Configuration.Auth, log: Logger) {
        let issuers = auth.issuers.map { TokenVerifier.Issuer($0.rules, keys: KeySetKeeper($0.keys, log: log)) }
        tokens = issuers.isEmpty ? nil : TokenVerifier(issuers)
        certificates = auth.certificates
    }

    func askers(_ log: Logger) -> [@Sendable (Request) throws -> Caller?] {
        var askers: [@Sendable (Request) throws -> Caller?] = []
        if let tokens { askers.append { request in try tokens.caller(of: request, log) } }
        if !certificates.rules.isEmpty { askers.append { [certificates] in certificates.caller(of: $0) } }
        return askers
    }
}

extension TokenVerifier {
    fileprivate func caller(of request: Request, _ log: Logger) throws(Problem) -> Caller? {
        guard let field = request["authorization"] else { return nil }
        let parts = field.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer", Self.isToken(parts[1]) else { return nil }
        do throws(TokenFault) {
            let grant = try grant(for: parts[1])
            return Caller(
                owner: grant.owner, scopes: grant.scopes, actor: "jwt:\(grant.subject)", peer: request.peer)
        } catch .keysAwaited {
            throw Problem(
                .issuerUnavailable, "The keys that tokens are checked with are being read; try again.", retryAfter: 1)
        } catch {
            // What was wrong is for who runs the gateway; of the token nothing is written down.
            log.info("a token was refused", metadata: ["request": "\(request.id)", "why": "\(error)"])
            throw Problem.credentialsRefused
        }
    }
}
