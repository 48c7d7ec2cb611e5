import Crypto
import Jobs
import Lines
package import Stores
import Wire

/// Where a receiver that was asked by OPTIONS may consent later (`WebHook-Request-Callback`): a URL that only the asked one, or
/// whoever reads its log, knows. It needs no memory: it proves itself.
package struct ConsentCallback: Sendable {
    private let base: String
    private let secret: [UInt8]

    package static let path = "/v1/webhook-consents/"

    /// - Parameters:
    ///   - base: this gateway as receivers reach it, without a trailing slash.
    ///   - secret: only this gateway has it.
    package init(base: String, secret: [UInt8]) {
        self.base = base
        self.secret = secret
    }

    package func url(for endpoint: Endpoint) -> String { base + Self.path + token(for: endpoint) }

    /// The endpoint's ID, a dot and a proof that holds for its present URL only.
    package func token(for endpoint: Endpoint) -> String {
        "\(endpoint.id).\(Base64.encode(proof(for: endpoint), .url))"
    }

    static func endpoint(of token: String) -> EndpointID? {
        token.firstIndex(of: ".").flatMap { EndpointID(token[..<$0]) }
    }

    func isValid(_ token: String, for endpoint: Endpoint) -> Bool {
        guard let dot = token.firstIndex(of: "."), let proof = Base64.decode(token[token.index(after: dot)...], .url)
        else { return false }
        return HMAC<SHA256>.isValidAuthenticationCode(
            proof, authenticating: Self.signed(endpoint), using: SymmetricKey(data: secret))
    }

    private func proof(for endpoint: Endpoint) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Self.signed(endpoint), using: SymmetricKey(data: secret)))
    }

    private static func signed(_ endpoint: Endpoint) -> [UInt8] {
        Array("webhook-consent\n\(endpoint.id)\n\(endpoint.settings.url)".utf8)
    }
}

package enum ConsentOutcome: Equatable, Sendable {
    /// The endpoint is enabled, now or already.
    case given
    case noSuchRequest
    /// It is disabled: its owner has to enable it first, and it is asked again.
    case tooLate
    case badRate(String)
}

extension DeliveryRunner {
    func callback(for endpoint: Endpoint) -> String? { rules.withLock { $0.callback }?.url(for: endpoint) }

    /// A receiver came back to the URL of `WebHook-Request-Callback`.
    package func consent(token: String, allowedRate: String?) async throws(StoreError) -> ConsentOutcome {
        guard let callback = rules.withLock({ $0.callback }), let endpoints,
            let id = ConsentCallback.endpoint(of: token),
            let endpoint = try await endpoints.endpoint(id, of: nil), callback.isValid(token, for: endpoint),
            endpoint.settings.verification == .handshake
        else { return .noSuchRequest }
        switch (Handshake.consent(allowedRate: allowedRate), endpoint.state) {
        case (.missing(let words), _): return .badRate(words)
        case (_, .enabled): return .given
        case (_, .disabled): return .tooLate
        case (.given(let rate), .pending):
            try await endpoints.recordVerification(
                id, url: endpoint.settings.url, .agreed, rate: rate, note: "The receiver gave its consent by callback.",
                at: clock.now())
            wake()
            return .given
        }
    }
}
