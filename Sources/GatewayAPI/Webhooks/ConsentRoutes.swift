import Engine
import HTTPCore
import Stores

extension Gateway {
    /// Public: the token is what gives the right, and only the asked receiver has it.
    func addConsentRoutes(to router: inout Router) {
        router.route(.get, "/v1/webhook-consents/{token}", "consentByBrowser") { [self] request, _ in
            try await consent(request)
        }
        router.route(.post, "/v1/webhook-consents/{token}", "consent", body: .upTo(4096)) { [self] request, _ in
            try await consent(request)
        }
    }

    private func consent(_ request: Request) async throws -> Response {
        _ = try QueryReader(request)
        // A look is no consent.
        guard request.method != .head else { return .text("") }
        switch try await settings.webhooks.consent(request.parameter("token") ?? "", request["webhook-allowed-rate"]) {
        case .given:
            return .text(
                "Consent given: this gateway now sends its notifications.\n", fields: ["Cache-Control": "no-store"])
        case .noSuchRequest: throw Problem(.notFound, "No webhook has asked for this consent, or its URL has changed.")
        case .tooLate:
            throw Problem(
                .stateConflict, "The webhook is disabled. Its owner has to enable it; this gateway will then ask again."
            )
        case .badRate(let words):
            throw Problem(.invalidField, words)
        }
    }
}
