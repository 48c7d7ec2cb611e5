package import Jobs
package import Lines
package import Protocols
package import Wire

/// How to reach a host that speaks RFC 407, how files travel, and how long to wait.
package struct RFC407Settings: Sendable {
    /// Name or numeric address.
    package var host: String
    package var port: Int
    /// For the control connection only: the files travel in the clear all the same. nil: plain text.
    package var tls: TLSClientSettings?
    package var user: String
    /// Asked at every sign-on; nil: the user has none.
    package var password: @Sendable () async throws -> String?
    /// The host's code. With an EBCDIC page files travel in it (`E`), else in ASCII.
    package var codePage = CodePage.ascii
    /// How decks travel: N or T.
    package var deckMode = RFC407.Mode.records
    /// How print-out travels: A keeps carriage control, N has none, T is text.
    package var printMode = RFC407.Mode.asa
    /// How records lie on direct connections in modes N and A.
    package var dialect = RFC407.StreamFormat.Dialect.block959
    /// The host's names for a job's files; the empty one is its primary print file.
    package var printFile = ""
    /// nil: jobs have none.
    package var punchFile: String? = "punch"
    /// Ports on which the host is awaited, for firewalls; nil: any that is free.
    package var dataPorts: ClosedRange<Int>?
    /// The address on which the host is awaited and which it is told; nil: that of the control connection, left out.
    package var dataAddress: IPAddress?
    /// Files travel through an FTP server instead of direct connections.
    package var files: (any RFC407FileExchange)?
    /// Calls of one session under way at once; their files travel side by side.
    package var window = 8
    package var connectTime = Duration.seconds(10)
    /// For the whole sign-on, the connection included.
    package var signOnTime = Duration.seconds(180)
    /// The longest silence while an answer is due, or while a data connection takes or brings nothing.
    package var answerTime = Duration.seconds(60)
    /// How long the host may take to open a data connection.
    package var dataTime = Duration.seconds(60)
    /// Silence of the control connection after which a harmless command is sent.
    package var keepAlive = Duration.seconds(600)
    package var signOffTime = Duration.seconds(5)
    /// Octets an output record may have.
    package var longestRecord = 65_535

    package init(
        host: String, port: Int = 5, tls: TLSClientSettings? = nil, user: String,
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

/// Files on an FTP server which the gateway and the host both reach (`:T` and its kin).
package protocol RFC407FileExchange: Sendable {
    /// What the host logs on to the FTP server with (INID, INPASS, OUTUSER, OUTPASS); nil: the user of the session.
    var identity: (user: String, password: String)? { get }

    /// Lays a deck down where the host will fetch it, complete when it returns.
    func offer(_ deck: PreparedDeck, _ attributes: RFC407.Attributes) async throws(StationError) -> RFC407.FileID

    /// Where the host is to lay a file down; nothing is there yet.
    func place(for file: String, of job: JobNumber, _ attributes: RFC407.Attributes) -> RFC407.FileID

    /// Hands over the octets of a file that the host has laid down, as they lie there.
    func take(
        _ place: RFC407.FileID, piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(StationError)

    /// A deck that was fetched, or print-out that was taken, is not needed any more.
    func remove(_ place: RFC407.FileID) async
}
