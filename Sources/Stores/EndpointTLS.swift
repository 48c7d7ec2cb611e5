/// What the TLS session with a receiver needs beside a good certificate for its name.
package struct EndpointTLS: Equatable, Sendable {
    /// `sha256//` and base64: hashes of public keys (SubjectPublicKeyInfo, DER), one of which the receiver's must be. Empty: any.
    package var pins: [String] = []
    package var identity: ClientIdentity?

    package init(pins: [String] = [], identity: ClientIdentity? = nil) {
        self.pins = pins
        self.identity = identity
    }
}

/// What we show to a receiver that asks who calls. Kept as the secrets of endpoints are.
package struct ClientIdentity: Equatable, Sendable {
    /// PEM; the chain may follow the certificate.
    package var certificate: String
    /// PEM, without a passphrase. Never shown, never logged.
    package var key: String

    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}
