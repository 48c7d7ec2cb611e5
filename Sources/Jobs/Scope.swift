/// One thing a caller may be allowed to do. The words stand in keys, tokens and problems and never change.
package enum Scope: String, CaseIterable, Sendable {
    /// Hand in a deck, resubmit a job.
    case jobsSubmit = "jobs:submit"
    /// See one's own jobs, their events, receipts and deliveries.
    case jobsRead = "jobs:read"
    /// See the jobs of all owners.
    case jobsReadAll = "jobs:read:all"
    /// Change one's own jobs: cancel, hold, release, resolve, purge, labels, priority.
    case jobsCancel = "jobs:cancel"
    /// Read the decks and the print-out of the jobs one sees.
    case outputsRead = "outputs:read"
    /// See hosts, their consoles and the gateway's metrics.
    case hostsRead = "hosts:read"
    /// Drain, resume and retry hosts, and command them.
    case hostsCommand = "hosts:command"
    /// See and change one's own webhooks.
    case webhooksAdmin = "webhooks:admin"
    /// Everything, for all owners: keys, the audit log, unclaimed output, another owner's jobs.
    case admin

    fileprivate var bit: UInt16 {
        switch self {
        case .jobsSubmit: 1
        case .jobsRead: 2
        case .jobsReadAll: 4
        case .jobsCancel: 8
        case .outputsRead: 16
        case .hostsRead: 32
        case .hostsCommand: 64
        case .webhooksAdmin: 128
        case .admin: 256
        }
    }
}

package struct Scopes: Hashable, Sendable, ExpressibleByArrayLiteral {
    private var bits: UInt16

    package init(_ scopes: some Sequence<Scope>) { bits = scopes.reduce(0) { $0 | $1.bit } }
    package init(arrayLiteral scopes: Scope...) { self.init(scopes) }

    /// - Parameter text: scopes with spaces or commas between them, as tokens and options carry them.
    /// - Returns: nil when a word is no scope, or there is none.
    package init?(words text: some StringProtocol) {
        let words = text.split { $0 == " " || $0 == "," }
        let scopes = words.compactMap { Scope(rawValue: String($0)) }
        guard !words.isEmpty, scopes.count == words.count else { return nil }
        self.init(scopes)
    }

    package static let all: Scopes = [.admin]
    /// What a client that runs its own jobs needs.
    package static let client: Scopes = [
        .jobsSubmit, .jobsRead, .jobsCancel, .outputsRead, .hostsRead, .hostsCommand, .webhooksAdmin,
    ]

    /// `admin` grants everything.
    package func grants(_ scope: Scope) -> Bool { bits & (scope.bit | Scope.admin.bit) != 0 }

    package var isEmpty: Bool { bits == 0 }
    package var words: [String] { Scope.allCases.filter { bits & $0.bit != 0 }.map(\.rawValue) }

    /// Those that `others` grants as well.
    package func limited(to others: Scopes) -> Scopes {
        Scopes(Scope.allCases.filter { grants($0) && others.grants($0) })
    }
}
