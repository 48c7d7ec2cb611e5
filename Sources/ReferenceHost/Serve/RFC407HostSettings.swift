package import Lines
package import Protocols

/// What the RFC 407 server of a reference host can be set to; users and operators are the host's.
package struct RFC407HostSettings: Sendable {
    /// `--rfc407`: where it is served. Port 0 means a free one.
    package var listen = SocketAddress(.loopback, port: 5)
    /// Addresses beside the control connection's own to which it may connect.
    package var allowed: Set<IPAddress> = []
    /// Ports to which it may connect for direct transfers.
    package var allowedPorts: ClosedRange<UInt16> = 1024...65_535
    /// Numbers of ARPANET hosts.
    package var hostNumbers: [UInt8: IPAddress] = [:]
    /// Moves files by FTP; nil: INPUT and OUT with a path are answered 506.
    package var ftp: (any RFC407FTP)?
    package var ftpPort: UInt16 = 21
    package var dialect = RFC407.StreamFormat.Dialect.block959
    package var logOnLimit = Duration.seconds(180)
    package var idle = Duration.seconds(1800)
    /// For a direct connection to be opened.
    package var connectLimit = Duration.seconds(10)
    /// For the receiver's end after ours.
    package var finishLimit = Duration.seconds(60)
    /// Output that nobody fetches is kept for so long.
    package var keep = Duration.seconds(7 * 86_400)
    /// Instead of the pauses of section 9.3.
    package var retryPauses = RFC407.OutputState.pauses
    package var mostSessions = 1_000
    /// Of one user at a time; the next is told 401.
    package var mostSessionsPerUser = 64
    /// Frames the password prompt by TELNET's ECHO.
    package var hidesPasswords = true
    /// A bare LF ends a command line.
    package var endsAtLineFeed = false
    /// Transfers of output under way at once.
    package var mostDeliveries = 64
    /// Asked at each place where a line may be cut on request; true cuts the connection by a reset.
    package var cuts: (@Sendable (RFC407CutPlace) -> Bool)?

    package init() {}
}

/// A place in the traffic of an RFC 407 host, for faults on request.
package enum RFC407CutPlace: Equatable, Sendable {
    /// Before a piece of the control dialogue goes out, and before one that came is heeded.
    case controlSent, controlReceived
    /// Before these octets of a deck are heeded, and before these of print-out go out.
    case deck(octets: Int), output(octets: Int)
    /// The deck is complete, or the file was sent, and the other side is to be told.
    case deckEnd, outputEnd
}

/// A file at an FTP server, and as whom to ask for it.
package struct RFC407FTPFile: Equatable, Sendable {
    package var address: SocketAddress
    package var user: String
    package var password: String
    package var pathname: String
    /// Gives TYPE, STRU and MODE by section 5.2; the octets of the data connection are in `RFC407.StreamFormat`.
    package var attributes: RFC407.Attributes

    package init(
        address: SocketAddress, user: String, password: String, pathname: String, attributes: RFC407.Attributes
    ) {
        self.address = address
        self.user = user
        self.password = password
        self.pathname = pathname
        self.attributes = attributes
    }
}

package enum RFC407FTPFault: Error, Equatable, Sendable {
    /// 440 and 443.
    case logOnRefused(String)
    /// 441 and 444: no such file, no access, or a TYPE, STRU or MODE that the server lacks.
    case fileRefused(String)
    /// The transfer began and broke, or the server was not reached.
    case failed(String)
}

/// The host's side as an FTP client. Octets pass in pieces; neither direction holds a file in memory.
package protocol RFC407FTP: Sendable {
    /// RETR. `begun` is called when the server has accepted it.
    func retrieve(
        _ file: RFC407FTPFile, begun: @Sendable () async -> Void, piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(RFC407FTPFault)

    /// APPE. `next` gives nil at the end.
    func append(
        _ file: RFC407FTPFile, next: @Sendable () async throws -> [UInt8]?
    ) async throws(RFC407FTPFault)
}
