import GatewayAPI
import Jobs
import Lines
import Stores
import Webhooks
import Wire

extension DeliveryRunner.Settings {
    /// - Parameter places: of our own listeners, whose ports are not called.
    init(
        _ webhooks: Configuration.Webhooks, environment: [String: String], instance: InstanceSecret,
        listening places: [ListenPlace]
    ) throws {
        // Without a configured secret the receiver cannot check, but the signature is there and stays the same.
        try self.init(
            secret: webhooks.secret?.reveal(environment: environment) ?? "whsec_" + Base64.encode(instance.octets))
        addresses.allowNetworks = webhooks.allowNetworks.compactMap { Network($0) }
        addresses.allowPlainHTTP = webhooks.allowPlainHTTP
        addresses.isStrictAboutPorts = webhooks.isStrictAboutPorts
        addresses.deny(own: AddressGuard.Settings.ownAddresses())
        for case .address(let address) in places { addresses.denyPorts.insert(Int(address.port)) }
        limits.inFlight = webhooks.mostInFlight
        try webhooks.checkAuthorities()
        sender.caFile = webhooks.authorities
        callback = webhooks.callback.map { ConsentCallback(base: $0, secret: instance.octets) }
    }
}

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
