package import Lines

/// Everything a reference host can be set to; the options of `port77 host`.
package struct HostSettings: Sendable {
    /// `--listen`: where PRIV-RJE is served. Port 0 means a free one.
    package var listen = SocketAddress(.loopback, port: 77)
    /// `--rfc407`: RFC 407 as well, on the same queue and spool; nil: not served.
    package var rfc407: RFC407HostSettings?
    /// `--user NAME:PASSWORD`, at least one. An empty password means that USER alone signs on.
    package var users: [User] = []
    /// `--operator NAME`: who may start and stop initiators and sees everybody's jobs. When nobody is named, every user
    /// may drain and start, and sees only the own jobs.
    package var operators: Set<String> = []
    /// `--data`: folder for jobs, keys and print-out. nil: kept in memory, gone with the process.
    package var dataFolder: String?
    /// `--netrjs`; nil: not served.
    package var netrjs: NETRJSHostSettings?
    /// `--ledger`: file to which the host's own record is appended (see `LedgerFile`); synced when there is a data folder.
    package var ledgerFile: String?
    /// `--faults`
    package var faults = FaultPlan()
    /// `--tls-certificate` and `--tls-key`, PEM files: TLS from the first octet.
    package var tls: (certificate: String, key: String)?
    /// `--name`, `--code`, `--initiators`, `--separators` and the batch system's limits.
    package var batch = BatchSettings()
    /// WINDOW: commands of one session that may wait for their answers.
    package var window = 16
    /// SESSIONS: of one user at the same time.
    package var sessionsPerUser = 8
    /// IDLE: silence after which a session is closed.
    package var idle = Duration.seconds(600)
    /// Time for log-on.
    package var logOnLimit = Duration.seconds(180)
    /// Sessions of all users; more are answered 401.
    package var mostSessions = 1_000
    /// Features to leave out: KEY, NOTICE, RANGE, HOLD, OPERATOR.
    package var withoutFeatures: Set<String> = []
    /// Threads that serve lines.
    package var loops = 1
    /// A station that takes nothing for so long loses its line.
    package var stallLimit = Duration.seconds(120)
    /// Time that sessions have to end when the host stops.
    package var stopLimit = Duration.seconds(5)

    package init() {}

    package struct User: Equatable, Sendable {
        package var name: String
        package var password: String

        package init(name: String, password: String) {
            self.name = name
            self.password = password
        }

        /// Takes `NAME:PASSWORD`; the password may hold colons. nil without a colon or a name, or with octets that no
        /// line of the protocol can carry.
        package init?(_ text: String) {
            guard let colon = text.firstIndex(of: ":"), colon > text.startIndex,
                text.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
            else { return nil }
            self.init(name: String(text[..<colon]), password: String(text[text.index(after: colon)...]))
        }
    }
}
