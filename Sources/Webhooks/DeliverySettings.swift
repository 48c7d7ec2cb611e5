import Glibc

extension DeliveryRunner {
    package struct Settings: Sendable {
        /// The keys of an endpoint; several during a rotation.
        package var signer: @Sendable (Int64) -> Signer
        package var addresses = AddressGuard.Settings()
        package var resolver = NameResolver.system
        package var sender = SenderSettings()
        package var limits = DeliveryQueue.Limits()
        package var schedule = Schedule.standard
        /// Deliveries read at once.
        package var batch = 512
        /// Results that may wait for their commit before no new try begins.
        package var mostUnrecorded = 2048
        /// What is under way when the runner stops may take this long.
        package var grace: Duration = .seconds(5)
        /// Ed25519 keys for endpoints that ask for `v1a`.
        package var keys: GatewayKeys?
        /// Our DNS name, as receivers of the CloudEvents handshake hear it.
        package var origin = DeliveryRunner.hostName
        /// Where receivers of the handshake may consent later; without it they are told of no such place.
        package var callback: ConsentCallback?
        /// Instead of libcurl, for simulations.
        package var exchange: (@Sendable (SendRequest) async -> SendResult)?
        package var seed = UInt64.random(in: .min ... .max)

        package init(signer: @escaping @Sendable (Int64) -> Signer) { self.signer = signer }
        /// One secret for all endpoints.
        package init(secret: String) throws(SecretError) {
            let signer = try Signer(secret: secret)
            self.init { _ in signer }
        }

        /// Makes sure that `DeliveryRunner.change` can be called with these.
        package func claimDescriptors() throws(SenderError) { try Sender.claimDescriptors(forCalls: limits.inFlight) }
    }

    /// What this machine calls itself, `localhost` when that is no name for a header.
    package static let hostName: String = {
        var name = [CChar](repeating: 0, count: 256)
        let isKnown = gethostname(&name, name.count - 1) == 0
        let text = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let isName = !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        return isKnown && isName ? text : "localhost"
    }()
}
