package import Lines
package import Protocols
package import Wire

/// How to reach a host that speaks NETRJS, and how long to wait for it.
package struct NETRJSSettings: Sendable {
    /// How the data ports are known.
    package enum Ports: Equatable, Sendable {
        /// From the host's `NRJ000I SOCKET BASE`.
        case announced
        /// The base S: reader at S+2, printer at S+3, punch at S+5.
        case base(Int)
        case explicit(reader: Int, printer: Int, punch: Int)
    }

    /// The host puts a blank before each card.
    package enum LeadingBlank: String, CaseIterable, Sendable {
        /// Yes for a stream in which every card of 81 octets begins with a blank, by its first full one.
        case auto, yes, no
    }

    /// Name or numeric address.
    package var host: String
    /// The contact port; nil: that of the character set (71, 73 or 74).
    package var port: Int?
    package var characterSet: NETRJS.CharacterSet
    package var terminal: String
    /// Asked at every sign-on; nil: SIGNON needs none.
    package var password: @Sendable () async throws -> String?
    package var ports = Ports.announced
    /// Of the records sent to the reader.
    package var form = NETRJS.Form.truncated
    /// The host's EBCDIC, for an EBCDIC terminal; the others are ASCII.
    package var ebcdic = CodePage.cp037
    /// A punch channel is kept open.
    package var punches = true
    package var leadingBlank = LeadingBlank.auto
    /// For name and connection together.
    package var connectTime = Duration.seconds(10)
    /// For READY, and for the answer to SIGNON.
    package var signOnTime = Duration.seconds(60)
    /// For an answer on the console, and for the reader to take what is sent.
    package var answerTime = Duration.seconds(60)
    /// For RJS534 after END-OF-DATA.
    package var receiptTime = Duration.seconds(120)
    /// Silence after which the console is tried.
    package var keepAlive = Duration.seconds(240)
    /// For running output at SIGNOFF.
    package var signOffTime = Duration.seconds(10)
    /// After a channel was refused; doubles up to 60 times of it.
    package var retryTime = Duration.seconds(1)

    package init(
        host: String, port: Int? = nil, characterSet: NETRJS.CharacterSet = .ascii68, terminal: String,
        password: @escaping @Sendable () async throws -> String? = { nil }
    ) {
        self.host = host
        self.port = port
        self.characterSet = characterSet
        self.terminal = terminal.uppercased()
        self.password = password
    }

    package var contactPort: Int { port ?? characterSet.contactPort }
    /// Of decks and print-out.
    package var codePage: CodePage { characterSet == .ebcdic ? ebcdic : .ascii }
    /// `host:port`, for people.
    package var address: String { HostPort(host: host, port: contactPort).description }
}

/// Makes stations for the pool of one host. They follow each other: a terminal is signed on once.
package struct NETRJSStationFactory: Sendable {
    private let settings: NETRJSSettings
    private let loops: EventLoopGroup
    private let taker: any OutputTaker
    private let memory = NETRJSMemory()

    package init(_ settings: NETRJSSettings, loops: EventLoopGroup, taker: any OutputTaker) {
        self.settings = settings
        self.loops = loops
        self.taker = taker
    }

    package func makeStation() -> NETRJSStation {
        NETRJSStation(settings, on: loops.next(), taker: taker, memory: memory)
    }
}
