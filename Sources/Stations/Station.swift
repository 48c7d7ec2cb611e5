package import Jobs
package import Wire

/// A signed-on session with a host, whatever protocol it speaks. A driver is thin: a machine from `Protocols` decides.
///
/// Calls may overlap: a driver pipelines what its protocol can pipeline and queues the rest. When the line is lost every waiting call
/// throws, `reports` ends, and the station is of no further use.
package protocol Station: AnyObject, Sendable {
    /// What this host can do, known after `signOn`.
    var abilities: Abilities { get }

    /// How many calls may be under way at once (PRIV-RJE's WINDOW).
    var window: Int { get }

    /// How many sessions the host allows this user, known after `signOn`; nil when it did not say.
    var sessionLimit: Int? { get }

    /// Where its line lives; who works with it there need not change threads for each answer. nil: anywhere.
    var executor: (any TaskExecutor)? { get }

    /// How long at least the host remembers a submission key; nil: it does not, or nobody knows.
    var keyMemory: Duration? { get }

    /// What the host takes, known after `signOn`; nil when its protocol does not say.
    var limits: HostLimits? { get }

    func signOn() async throws(StationError)

    /// Hands a deck in.
    ///
    /// - Parameters:
    ///   - closing: awaited before the octet goes out that makes the deck complete; when it throws, the deck is cut (the line
    ///     is closed if need be) and `.notSent` is thrown. nil: the attempt was committed as closing already.
    /// - Throws: `.refusedDeck`, `.busy` (the host cannot take jobs now), `.notSent` (the line was lost, the host has nothing),
    ///   `.uncertain` (lost where both worlds are possible).
    func submit(_ deck: PreparedDeck, closing: (@Sendable () async throws -> Void)?) async throws(StationError)
        -> Receipt

    /// What became of a submission key. For hosts with `submissionKey`.
    func find(key: String) async throws(StationError) -> Receipt?

    /// Gives a submission key up for good, so that no late deck can become a job.
    /// - Returns: the job that has it after all; nil when it is now void.
    func void(key: String) async throws(StationError) -> Receipt?

    /// nil: the host does not know the job.
    func status(of job: JobNumber) async throws(StationError) -> HostJob?

    /// All of this user's jobs that the host still has, as far as it lists them; `complete` is false when there are more.
    func statusOfAll() async throws(StationError) -> (jobs: [HostJob], complete: Bool)

    /// Asks for notices in `reports`. Does nothing on hosts without them.
    func watchAll() async throws(StationError)

    func files(of job: JobNumber) async throws(StationError) -> [HostFile]

    /// Takes a file from `offset` to its end, or `limit` octets of it.
    /// - Parameter piece: is handed the octets in order; the next is read when it returns (back-pressure).
    /// - Returns: the file's total length in octets.
    func fetch(
        _ file: HostFile, of job: JobNumber, from offset: Int, limit: Int?,
        piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(StationError) -> Int

    /// The host may drop the job and its files.
    func purge(_ job: JobNumber) async throws(StationError)

    func cancel(_ job: JobNumber) async throws(StationError) -> CancelAnswer
    func hold(_ job: JobNumber) async throws(StationError)
    func release(_ job: JobNumber) async throws(StationError)
    /// A command for the host's operator; answers the lines it gave.
    func operate(_ command: String) async throws(StationError) -> [String]

    /// Proves that the line is alive.
    func ping() async throws(StationError)

    /// What the host says unasked. Bounded: a slow taker loses notices, never statuses asked for. Ends with the line.
    var reports: AsyncStream<Report> { get }

    /// Ends the session in the protocol's way, then the line.
    func signOff() async
}

extension Station {
    package var executor: (any TaskExecutor)? { nil }
    package var limits: HostLimits? { nil }
    package var sessionLimit: Int? { nil }
    package var keyMemory: Duration? { nil }
}

/// What a host takes, as it said itself at sign-on.
package struct HostLimits: Equatable, Sendable {
    /// Octets.
    package var longestDeck: Int
    /// Characters.
    package var longestCard: Int
    /// Character codes for decks, in upper case.
    package var codes: [String]
    /// Calls under way at once in a session.
    package var window: Int
    /// Sessions of one user.
    package var sessions: Int
    /// How long a submission key is remembered after the job's end.
    package var keepsKeys: Duration
    /// Silence after which the host may close.
    package var idle: Duration

    package init(
        longestDeck: Int, longestCard: Int, codes: [String], window: Int, sessions: Int, keepsKeys: Duration,
        idle: Duration
    ) {
        self.longestDeck = longestDeck
        self.longestCard = longestCard
        self.codes = codes
        self.window = window
        self.sessions = sessions
        self.keepsKeys = keepsKeys
        self.idle = idle
    }
}

/// What a host can do. What it cannot is shown and refused by name, never faked.
package struct Abilities: OptionSet, Sendable, Hashable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let submissionKey = Abilities(rawValue: 1 << 0)
    package static let jobNumbers = Abilities(rawValue: 1 << 1)
    package static let status = Abilities(rawValue: 1 << 2)
    package static let notices = Abilities(rawValue: 1 << 3)
    package static let cancel = Abilities(rawValue: 1 << 4)
    package static let hold = Abilities(rawValue: 1 << 5)
    package static let operatorCommands = Abilities(rawValue: 1 << 6)
    package static let pulledOutput = Abilities(rawValue: 1 << 7)
    package static let pushedOutput = Abilities(rawValue: 1 << 8)
    package static let punch = Abilities(rawValue: 1 << 9)
    package static let rangedFetch = Abilities(rawValue: 1 << 10)
    /// A deck that the line's end cuts short is dropped whole.
    package static let dropsCutDecks = Abilities(rawValue: 1 << 11)

    /// As `/v1/hosts` spells them.
    package static let names: [(Abilities, String)] = [
        (.submissionKey, "submissionKey"), (.jobNumbers, "jobNumbers"), (.status, "status"), (.notices, "notices"),
        (.cancel, "cancel"), (.hold, "hold"), (.operatorCommands, "operatorCommands"), (.pulledOutput, "pulledOutput"),
        (.pushedOutput, "pushedOutput"), (.punch, "punch"), (.rangedFetch, "rangedFetch"),
        (.dropsCutDecks, "dropsCutDecks"),
    ]

    package var spelled: [String] { Self.names.filter { contains($0.0) }.map(\.1) }
}

/// A deck in the host's code, ready for the wire.
package struct PreparedDeck: Sendable {
    package let job: JobID
    /// The submission key; nil for hosts without.
    package let key: String
    /// Length of the whole block, octets.
    package let octets: Int
    /// As the protocol names it: `ASCII`, `CP037`, `CP1047`.
    package let code: String
    package let form: Form
    package let held: Bool
    package let priority: Int?
    /// The block from an offset, at most `count` octets; the same octets whenever it is asked.
    package let read: @Sendable (_ offset: Int, _ count: Int) async throws -> [UInt8]

    package enum Form: Equatable, Sendable {
        /// Records end with LF or NEL.
        case variable
        /// Records of this many octets, without ends.
        case fixed(Int)
    }

    package init(
        job: JobID, key: String, octets: Int, code: String, form: Form, held: Bool = false, priority: Int? = nil,
        read: @escaping @Sendable (_ offset: Int, _ count: Int) async throws -> [UInt8]
    ) {
        self.job = job
        self.key = key
        self.octets = octets
        self.code = code
        self.form = form
        self.held = held
        self.priority = priority
        self.read = read
    }
}

/// The host's word that it has the job on stable storage.
package struct Receipt: Equatable, Sendable {
    package var job: JobNumber?
    package var name: String?
    package var cards: Int?
    /// The key was known already: nothing new was queued.
    package var duplicate: Bool
    /// Only the key is left, the job was purged.
    package var purged: Bool

    package init(job: JobNumber?, name: String? = nil, cards: Int? = nil, duplicate: Bool = false, purged: Bool = false)
    {
        self.job = job
        self.name = name
        self.cards = cards
        self.duplicate = duplicate
        self.purged = purged
    }
}

/// A job as its host describes it.
package struct HostJob: Equatable, Sendable {
    package var number: JobNumber
    package var name: String?
    package var state: State
    package var files: Int?

    package enum State: Equatable, Sendable {
        case held, queued, running
        case ended(Outcome)
    }

    package init(number: JobNumber, name: String? = nil, state: State, files: Int? = nil) {
        self.number = number
        self.name = name
        self.state = state
        self.files = files
    }
}

/// An output file as its host describes it.
package struct HostFile: Equatable, Sendable {
    package var number: Int
    package var kind: SpoolFile.Kind
    package var step: String?
    package var ddName: String?
    package var records: Int?
    package var octets: Int?
    package var carriageControl: CarriageControl
    package var code: String
    package var recordLength: Int

    package init(
        number: Int, kind: SpoolFile.Kind, step: String? = nil, ddName: String? = nil, records: Int? = nil,
        octets: Int? = nil, carriageControl: CarriageControl, code: String, recordLength: Int
    ) {
        self.number = number
        self.kind = kind
        self.step = step
        self.ddName = ddName
        self.records = records
        self.octets = octets
        self.carriageControl = carriageControl
        self.code = code
        self.recordLength = recordLength
    }
}

/// What a host says unasked.
package enum Report: Equatable, Sendable {
    case job(HostJob)
    /// A word from the operator.
    case message(String)
    /// The line is down; the last report.
    case lineDown(StationError)
}

package enum CancelAnswer: Equatable, Sendable {
    case canceled
    case tooLate
    case unknownJob
}

/// Why a station could not. `description` is for operators.
package enum StationError: Error, Equatable, CustomStringConvertible {
    /// No line: refused, unreachable, name not found, TLS failure.
    case noLine(String)
    /// Credentials refused: not tried again until someone acts.
    case logonRefused(String)
    /// The host takes no session now (401, 430 SESSIONS, 435, 436): try later.
    case hostUnwilling(String)
    /// The host's limit on sessions, counted by the host; `most` when it said the number.
    case tooManySessions(most: Int?)
    case lineLost(String)
    /// An answer did not come in time.
    case deadline(String)
    /// The peer does not speak the protocol, or lost its place.
    case garbage(String)
    case refusedDeck(reason: String)
    case busy(String)
    /// The line was lost; the host has nothing of this deck.
    case notSent(String)
    /// The line was lost after the deck may have been complete.
    case uncertain(evidence: String)
    /// The host cannot do this; names the ability.
    case lacks(String)
    /// The host refused a command in this state.
    case refused(String)
    /// Reading the deck or storing output failed on our side.
    case local(String)
    case closed

    package var description: String {
        switch self {
        case .noLine(let words): "no line to the host: \(words)"
        case .logonRefused(let words): "the host refused log-on: \(words)"
        case .hostUnwilling(let words): "the host takes no session now: \(words)"
        case .tooManySessions(let most): "the host allows no more sessions\(most.map { " than \($0)" } ?? "")"
        case .lineLost(let words): "the line was lost: \(words)"
        case .deadline(let words): "the host did not answer in time: \(words)"
        case .garbage(let words): "the host does not speak the protocol: \(words)"
        case .refusedDeck(let words): "the host refused the deck: \(words)"
        case .busy(let words): "the host cannot take jobs now: \(words)"
        case .notSent(let words): "the line was lost before the deck was complete: \(words)"
        case .uncertain(let evidence): "the line was lost before the host's receipt: \(evidence)"
        case .lacks(let ability): "the host cannot do this: \(ability)"
        case .refused(let words): "the host refused: \(words)"
        case .local(let words): "our side failed: \(words)"
        case .closed: "the session is closed"
        }
    }
}
