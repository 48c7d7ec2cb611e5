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
        package var seed = UInt64.random(in: .min ... .max)

        package init(signer: @escaping @Sendable (Int64) -> Signer) { self.signer = signer }
        /// One secret for all endpoints.
        package init(secret: String) throws(SecretError) {
            let signer = try Signer(secret: secret)
            self.init { _ in signer }
        }
    }
}
