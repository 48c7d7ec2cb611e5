import Engine
import GatewayAPI
import HTTPCore
import Jobs
import Lines
import Logging
import Stores
import Wire

/// What `port77 serve` runs with: defaults, then the file, then the environment, then flags.
struct Configuration: Equatable, Sendable {
    var listen = [Listen(.place(.address(SocketAddress(.loopback, port: 8077))))]
    var tls: ServerTLS?
    var proxies: [Proxies.Entry] = []
    var http = Limits()
    /// The names clients may call the gateway by, in lower case, beside those of this machine; nil: any.
    var names: Set<String>?
    /// Other sites whose pages may ask, by the Fetch standard.
    var origins = Origins()
    /// A job is changed and removed only by whoever says with `If-Match` which version he saw.
    var requiresMatch = false
    var data = "./port77-data"
    /// Where the web page and the API's description lie; nil: beside the executable, or in the source tree.
    var publicFolder: String?
    var openAPIFolder: String?
    var manualFolder: String?
    var hosts: [Host] = []
    var webhooks = Webhooks()
    var retention = RetentionRules(ages: [.deliveries: .seconds(30 * 86_400), .answers: .seconds(7 * 86_400)])
    var log = Log()
    /// What running requests get after the listeners are closed.
    var grace = Duration.seconds(30)
    /// How long a stop is announced before.
    var announcement = Duration.seconds(5)
    /// What does not keep a gateway from starting, but is a fault.
    var warnings: [ConfigurationFault] = []
    /// What will be one soon.
    var hints: [ConfigurationFault] = []
    /// What may wait of one owner.
    var ownerLimits = BacklogLimits()
    /// How often each owner may ask, and who runs the gateway.
    var ownerRates = OwnerRates.usual
    var localRates = OwnerRates.none
    var auth = Auth()

    struct Host: Equatable, Sendable {
        var id: HostID
        var address: HostPort
        var tls: TLS?
        var user: String
        var password: Secret
        var speaks = HostProtocol.privRJE
        var minSessions = 1
        var maxSessions = 4
        var codePage = CodePage.ascii
        var longestCard = 80
        var uncertainPolicy = Job.UncertainPolicy.hold
        var answerLimit = Duration.seconds(60)
        /// What may wait for the host.
        var limits = BacklogLimits()
        var hasMarkerCard = false
        var requiresKey = false
        /// What is put into decks, and what they may hold.
        var decks = DeckCustoms()
    }

    struct TLS: Equatable, Sendable {
        /// PEM file with the authorities to trust; nil: the system's.
        var authorities: String?
        /// The name the certificate must have; nil: the address.
        var name: String?
    }

    struct Log: Equatable, Sendable {
        enum Format: String, CaseIterable, Sendable {
            case text, json

            /// `plain` is the older word for text.
            init?(spelled word: String) { self.init(rawValue: word == "plain" ? "text" : word) }
        }

        /// Whether each request has a line, and at which level.
        enum Access: String, CaseIterable, Sendable {
            case off, debug, info
            var level: Logger.Level? { Logger.Level(rawValue: rawValue) }
        }

        var format = Format.text
        var access = Access.debug
        var level = "info"
    }

    /// A secret is never written into the file itself.
    enum Secret: Equatable, Sendable {
        case environment(String)
        case file(String)
        /// For the embedded demonstration host only.
        case known(String)
    }

    /// Without a file: loopback only, one host `demo` as `port77 host` serves it by default.
    static let withoutFile: Configuration = {
        var configuration = Configuration()
        if let demo = HostID("demo") {
            configuration.hosts = [
                Host(
                    id: demo, address: HostPort(host: "127.0.0.1", port: 7077), tls: nil, user: "RMT1",
                    password: .known("secret"))
            ]
        }
        return configuration
    }()

    mutating func apply(environment: [String: String]) throws(ConfigurationFault) {
        if let value = environment["PORT77_LISTEN"] {
            listen = try Listen.list(value.split(separator: ",").map(String.init), from: "PORT77_LISTEN")
        }
        if let value = environment["PORT77_DRAIN_SECONDS"].flatMap({ Int($0) }), (0...3600).contains(value) {
            announcement = .seconds(value)
        }
        if let value = environment["PORT77_DATA"] { data = value }
        if let value = environment["PORT77_LOG_LEVEL"] { log.level = value }
        if let value = environment["PORT77_LOG_FORMAT"], let format = Log.Format(spelled: value) {
            log.format = format
        }
    }
}

/// One thing wrong with a configuration file, and where.
struct ConfigurationFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// From 1; 0: the file as a whole.
    let line: Int
    let column: Int
    let words: String

    var description: String { line == 0 ? words : "line \(line), column \(column): \(words)" }
}

struct ConfigurationFaults: Error, CustomStringConvertible {
    let file: String
    let faults: [ConfigurationFault]

    var description: String {
        faults.map { "\(file): \($0)" }.joined(separator: "\n")
    }
}

extension Configuration.Secret {
    /// - Throws: a sentence that names the variable or file, never the secret.
    func reveal(environment: [String: String]) throws(ConfigurationFault) -> String {
        switch self {
        case .known(let text): return text
        case .environment(let name):
            guard let value = environment[name], !value.isEmpty else {
                throw ConfigurationFault(line: 0, column: 0, words: "the environment variable \(name) is not set")
            }
            return value
        case .file(let path):
            guard let octets = readSmallFile(path) else {
                throw ConfigurationFault(line: 0, column: 0, words: "the secret file \(path) cannot be read")
            }
            let text = String(decoding: octets, as: UTF8.self)
            let line = text.prefix { $0 != "\n" && $0 != "\r\n" }
            guard !line.isEmpty else {
                throw ConfigurationFault(line: 0, column: 0, words: "the secret file \(path) is empty")
            }
            return String(line)
        }
    }
}
