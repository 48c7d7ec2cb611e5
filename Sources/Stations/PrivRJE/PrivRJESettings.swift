package import Lines

/// How to reach a host that speaks PRIV-RJE/1, and how long to wait for it.
package struct PrivRJESettings: Sendable {
    /// Name or numeric address.
    package var host: String
    package var port: Int
    /// nil: plain text.
    package var tls: TLSClientSettings?
    package var user: String
    /// Asked at every sign-on, so that a new one is used as soon as it is there; nil: the user has none.
    package var password: @Sendable () async throws -> String?
    package var agent = "port77"
    /// For name, connection and TLS together.
    package var connectTime = Duration.seconds(10)
    /// For the whole sign-on, the connection included.
    package var signOnTime = Duration.seconds(180)
    /// The longest silence while an answer is due, or while the line takes nothing.
    package var answerTime = Duration.seconds(60)
    /// Silence after which PING keeps the session alive; never more than half of the host's IDLE.
    package var keepAlive = Duration.seconds(240)
    /// For BYE and its answer.
    package var signOffTime = Duration.seconds(5)
    /// Octets asked for at once where the host can send parts, so that other commands get their turn.
    package var longestPart = 1 << 20

    package init(
        host: String, port: Int = 77, tls: TLSClientSettings? = nil, user: String,
        password: @escaping @Sendable () async throws -> String?
    ) {
        self.host = host
        self.port = port
        self.tls = tls
        self.user = user
        self.password = password
    }

    /// `host:port`, for people.
    package var address: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Makes stations for the pool of one host, each on the next loop.
package struct PrivRJEStationFactory: Sendable {
    private let settings: PrivRJESettings
    private let loops: EventLoopGroup
    private let clock: any Clock<Duration>

    package init(_ settings: PrivRJESettings, loops: EventLoopGroup, clock: any Clock<Duration> = ContinuousClock()) {
        self.settings = settings
        self.loops = loops
        self.clock = clock
    }

    package func makeStation() -> PrivRJEStation {
        let settings = settings
        let loop = loops.next()
        return PrivRJEStation(settings, on: loop, clock: clock) { () async throws(LineError) -> any Line in
            try await TCPLine.connect(
                to: settings.host, port: settings.port, on: loop, timeout: settings.connectTime, tls: settings.tls)
        }
    }
}
