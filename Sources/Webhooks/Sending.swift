package import Lines
package import Stores

/// A header line of ours. libcurl sends lines as they are given, so one with CR, LF or NUL in it must not come to be.
package struct SendHeader: Equatable, Sendable {
    package let name: String
    package let value: String

    package init?(_ name: String, _ value: String) {
        guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x3A }),
            value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { return nil }
        self.name = name
        self.value = value
    }
}

/// One request to one address.
package struct SendRequest: Sendable {
    package enum Method: Sendable { case post, options }

    package let method: Method
    package let url: WebhookURL
    /// Where the connection goes, whatever the name of the host says by then.
    package let address: IPAddress
    package let headers: [SendHeader]
    package let body: [UInt8]
    package let tls: EndpointTLS

    package init(
        _ method: Method = .post, url: WebhookURL, address: IPAddress, headers: [SendHeader], body: [UInt8],
        tls: EndpointTLS = EndpointTLS()
    ) {
        self.method = method
        self.url = url
        self.address = address
        self.headers = headers
        self.body = body
        self.tls = tls
    }
}

package struct SendResult: Equatable, Sendable {
    /// Of a complete answer head; interim answers (1xx) are passed over.
    package var status: Int?
    package var failure: SendFailure?
    /// For the endpoint's owner.
    package var detail: String?
    package var timings = Timings()
    package var exchange = DeliveryExchange()
    /// Whether the connection came from the cache.
    package var isReused = false
    /// The first 4 KiB of the body of an HTTP answer.
    package var answer: [UInt8] = []
    /// `Retry-After` and `Location` as they came.
    package var retryAfter: String?
    package var location: String?
    /// `WebHook-Allowed-Origin` and `WebHook-Allowed-Rate`.
    package var allowedOrigin: String?
    package var allowedRate: String?

    /// From the start of the request; zero for what was not reached.
    package struct Timings: Equatable, Sendable {
        /// The look-up of the name, before the start.
        package var resolved: Duration = .zero
        package var connected: Duration = .zero
        package var secured: Duration = .zero
        package var firstByte: Duration = .zero
        package var total: Duration = .zero
        package init() {}
    }

    package init(status: Int? = nil, failure: SendFailure? = nil) {
        self.status = status
        self.failure = failure
        detail = failure?.words
    }
}

package struct SenderSettings: Sendable {
    /// Whole exchange.
    package var timeout: Duration = .seconds(20)
    package var connectTimeout: Duration = .seconds(5)
    /// An answer that has begun and then brings less than an octet a second for this long is given up.
    package var stallTimeout: Duration = .seconds(10)
    /// PEM file of authorities instead of the system's.
    package var caFile: String?
    package var version = "0"
    /// Connections kept open when nothing is under way on them.
    package var cachedConnections = 1024
    /// For the descriptor limit.
    package var mostInFlight = 512

    /// Of an answer's body, kept for the log.
    package static let keptOctets = 4096
    /// Of an answer's body; beyond it the answer is cut off.
    package static let longestBody = 65_536
    /// Of all heads of an answer, interim ones included.
    package static let mostHeaderLines = 64
    package static let longestHeader = 32_768

    package init() {}
}

package enum SenderError: Error, Equatable, CustomStringConvertible {
    case descriptorLimit(have: Int, need: Int)
    case library(String)

    package var description: String {
        switch self {
        case .descriptorLimit(let have, let need):
            "The limit of open files is \(have); webhooks need \(need) (ulimit -n)."
        case .library(let text): "libcurl: \(text)"
        }
    }
}
