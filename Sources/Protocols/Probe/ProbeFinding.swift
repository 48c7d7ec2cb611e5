/// What a probe found at one address, with what to make of it.
package enum ProbeFinding: Equatable, Sendable {
    case speaks(Speaker, excerpt: String)
    /// It takes the connection and says nothing, asked or unasked.
    case silent
    /// It takes the connection and ends it without a word.
    case hangsUp
    /// Nothing listens there.
    case closed
    /// No answer at all: a filter drops what is sent, or there is no such machine.
    case filtered
    /// No route, no such name, or our own fault; in words.
    case unreachable(String)

    package var word: String {
        switch self {
        case .speaks(let speaker, _): speaker.word
        case .silent: "silent"
        case .hangsUp: "hangs-up"
        case .closed: "closed"
        case .filtered: "filtered"
        case .unreachable: "unreachable"
        }
    }

    /// An RJE server that a gateway could use.
    package var isRJE: Bool {
        if case .speaks(let speaker, _) = self { return speaker.isRJE }
        return false
    }

    /// Somebody sits on a port of RJE who has no business there.
    package func isStranger(on port: Int) -> Bool {
        switch self {
        case .speaks(let speaker, _): ProbeFinding.ports.contains(port) && !speaker.isRJE
        case .silent, .hangsUp: ProbeFinding.ports.contains(port)
        case .closed, .filtered, .unreachable: false
        }
    }

    /// The ports of the RJE family: RFC 407 on 5, NETRJS on 71 to 74, private RJE on 77.
    package static let ports = [5, 71, 72, 73, 74, 77]

    /// One sentence for people.
    package var says: String {
        switch self {
        case .speaks(.privRJE(let version, let host), _): "\(version)\(host.map { ", host \($0)" } ?? "")"
        case .speaks(.rje(isServing: true), _): "RJE (RFC 407), ready"
        case .speaks(.rje(isServing: false), _): "RJE (RFC 407), not serving now"
        case .speaks(.netrjs(let isServing, let base), _):
            "NETRJS (RFC 740), \(isServing ? "ready" : "not serving now")\(base.map { ", socket base \($0)" } ?? "")"
        case .speaks(.telnet, _): "TELNET, without a word of RJE"
        case .speaks(.http, _): "HTTP"
        case .speaks(.tls, _): "TLS"
        case .speaks(.ssh, _): "SSH"
        case .speaks(.ftpOrMail, _): "FTP or a mail server"
        case .speaks(.unknown, _): "something unknown"
        case .silent: "takes the connection and says nothing"
        case .hangsUp: "takes the connection and hangs up without a word"
        case .closed: "closed: nothing listens"
        case .filtered: "filtered: no answer at all"
        case .unreachable(let words): "not reachable: \(words)"
        }
    }

    /// What to do about it; nil when there is nothing to do.
    package func advice(on port: Int) -> String? {
        switch self {
        case .speaks(.privRJE, _): return "use it: protocol: priv-rje"
        case .speaks(.rje(let isServing), _):
            return isServing ? "use it: protocol: rfc407" : "it is an RFC 407 server; try later"
        case .speaks(.netrjs(let isServing, _), _):
            return isServing ? "use it: protocol: netrjs" : "it is a NETRJS server; try later"
        case .speaks(.tls, _) where port == 77:
            return "perhaps PRIV-RJE inside TLS: try protocol: priv-rje with tls: true; if it is not yours, investigate"
        default:
            guard isStranger(on: port) else { return nil }
            return "investigate: nothing but RJE has business on port \(port); find the process that listens there"
        }
    }
}
