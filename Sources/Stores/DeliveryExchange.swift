/// What is known of the connection and of the octets on it; nil for what was not reached.
package struct DeliveryExchange: Equatable, Sendable {
    /// Of the request's body.
    package var sentOctets: Int?
    /// Of the answer's body, those that were not kept as well.
    package var receivedOctets: Int?
    /// Ten times the version of HTTP: 11 is HTTP/1.1.
    package var httpVersion: Int?
    /// As TLS numbers itself: 0x0303 is TLS 1.2.
    package var tlsVersion: Int?
    /// Of the receiver's certificate: 0 is good, anything else one of OpenSSL's X509_V_ERR.
    package var verifyResult: Int?

    package init(
        sentOctets: Int? = nil, receivedOctets: Int? = nil, httpVersion: Int? = nil, tlsVersion: Int? = nil,
        verifyResult: Int? = nil
    ) {
        self.sentOctets = sentOctets
        self.receivedOctets = receivedOctets
        self.httpVersion = httpVersion
        self.tlsVersion = tlsVersion
        self.verifyResult = verifyResult
    }
}
