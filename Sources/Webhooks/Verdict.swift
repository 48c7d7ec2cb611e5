/// Why there was no usable answer. The words are for the endpoint's owner, who may be anyone: they do not tell whether a
/// port inside was open.
package enum SendFailure: String, Error, Equatable, Sendable, CaseIterable {
    case blockedAddress = "blocked_address"
    case badURL = "bad_url"
    case resolveFailed = "resolve_failed"
    case connectFailed = "connect_failed"
    case tlsFailed = "tls_failed"
    case timeout
    /// The connection ended before the answer's head was complete.
    case disconnected
    /// Not HTTP, or a head beyond its limits.
    case malformedAnswer = "malformed_answer"
    /// The engine was rebuilt, or something in this process failed; the receiver is not to blame.
    case engineReset = "engine_reset"
    /// This process is stopping; the try does not count.
    case stopped

    package var words: String {
        switch self {
        case .blockedAddress: "The receiver's address is not one that this gateway may call."
        case .badURL: "The receiver's URL is not one that this gateway may call."
        case .resolveFailed: "The receiver's host name could not be resolved."
        case .connectFailed: "No connection to the receiver could be made."
        case .tlsFailed: "The TLS handshake with the receiver failed."
        case .timeout: "The receiver did not answer in time."
        case .disconnected: "The receiver ended the connection before it had answered."
        case .malformedAnswer: "The receiver's answer was not valid HTTP, or its header was too long."
        case .engineReset: "The sender failed; the delivery is tried again."
        case .stopped: "The gateway stopped before the receiver had answered."
        }
    }
}

/// What follows from one try.
package struct Verdict: Equatable, Sendable {
    package enum Action: Equatable, Sendable { case delivered, retry, dead }

    package enum DisabledReason: String, Equatable, Sendable {
        /// The receiver answered 410.
        case gone
    }

    package let action: Action
    /// For the log and the metrics: `delivered`, `status`, `redirect_refused`, `gone`, or a `SendFailure`.
    package let result: String
    /// Whether the breaker hears of it as a failure. Faults of ours and refused addresses tell nothing of the receiver.
    package let countsAsFailure: Bool
    /// Set when no later event should go to this endpoint either.
    package let disables: DisabledReason?

    package init(_ action: Action, _ result: String, countsAsFailure: Bool, disables: DisabledReason? = nil) {
        self.action = action
        self.result = result
        self.countsAsFailure = countsAsFailure
        self.disables = disables
    }

    /// - Parameter status: of a complete answer head, interim answers (1xx) left out. A 2xx is a delivery whatever
    ///   became of the body behind it.
    package init(status: Int?, failure: SendFailure?) {
        switch (status, failure) {
        case (.some(200...299), _):
            self.init(.delivered, "delivered", countsAsFailure: false)
        case (.some(300...399), _):
            self.init(.retry, "redirect_refused", countsAsFailure: true)
        case (.some(410), _):
            self.init(.dead, "gone", countsAsFailure: true, disables: .gone)
        case (.some, _):
            // 408, 425, 429 and 5xx will pass; other 4xx do as well once the receiver deploys its fix.
            self.init(.retry, "status", countsAsFailure: true)
        case (nil, .some(let failure)):
            switch failure {
            case .blockedAddress, .badURL, .engineReset, .stopped:
                self.init(.retry, failure.rawValue, countsAsFailure: false)
            case .resolveFailed, .connectFailed, .tlsFailed, .timeout, .disconnected, .malformedAnswer:
                self.init(.retry, failure.rawValue, countsAsFailure: true)
            }
        case (nil, nil):
            self.init(.retry, SendFailure.malformedAnswer.rawValue, countsAsFailure: true)
        }
    }
}
