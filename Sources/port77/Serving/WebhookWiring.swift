import GatewayAPI
import Jobs
import Stores
import Webhooks

extension WebhookServices {
    /// What the API asks, answered by the sender and by whoever holds the gateway's keys.
    init(_ deliveries: DeliveryRunner, _ keys: GatewayKeys, _ store: any EndpointStore) {
        self.init()
        check = { wanted in
            do throws(EndpointFault) {
                try EndpointRules.check(wanted, guarding: deliveries.guarding)
            } catch {
                let isFilter = error.field == "hosts" || error.field == "labels"
                throw EndpointRefused(member: isFilter ? "filter/\(error.field)" : error.field, words: error.words)
            }
        }
        test = { endpoint, target in
            await deliveries.test(target, url: endpoint.settings.url, owner: endpoint.owner)
        }
        publicKeys = {
            keys.publicKeys.map { .init(id: $0.id, text: $0.text, createdAt: $0.createdAt, signsUntil: $0.signsUntil) }
        }
        rotateKeys = { audit in try await keys.rotate(in: store, at: audit.at, audit: audit) }
        consent = { token, rate in
            switch try await deliveries.consent(token: token, allowedRate: rate) {
            case .given: .given
            case .noSuchRequest: .noSuchRequest
            case .tooLate: .tooLate
            case .badRate(let words): .badRate(words)
            }
        }
        sign = { id, timestamp, body in keys.signature(id: id, timestamp: timestamp, body: body) }
    }
}
