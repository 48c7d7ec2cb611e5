import Engine
import HTTPCore
import Stores

extension Gateway {
    /// One more request of the caller.
    ///
    /// - Throws: 429 when there are too many.
    func admit(_ caller: Caller, _ request: Request) throws(Problem) {
        try count(.requests, caller, request)
    }

    /// One more job handed in.
    func admitSubmission(_ caller: Caller, _ request: Request) throws(Problem) {
        try count(.submits, caller, request)
    }

    /// The decks of one request, of which `admitSubmission` has counted the first.
    ///
    /// - Returns: their octets where these are limited, given back unless they are kept.
    func admit(_ decks: [BatchPart], _ caller: Caller, _ request: Request) throws(Problem) -> LimitPermit? {
        if decks.count > 1 { try count(.submits, caller, request, decks.count - 1) }
        guard limiter.rates(of: caller.owner).deckOctetsPerDay != nil else { return nil }
        let octets = decks.reduce(0) { $0 + $1.deck.body.octets }
        try count(.deckOctets, caller, request, octets)
        let limiter = limiter
        return LimitPermit { limiter.give(.deckOctets, octets, of: caller.owner) }
    }

    private func count(
        _ pace: OwnerLimiter.Pace, _ caller: Caller, _ request: Request, _ number: Int = 1
    ) throws(Problem) {
        guard let standing = limiter.take(pace, number, of: caller.owner) else { return }
        let rates = limiter.rates(of: caller.owner)
        request.answers(with: "RateLimit-Policy", LimitFields.policies(rates))
        let others = (request.answerFields["RateLimit"] ?? "").split(separator: ", ")
            .filter { !$0.hasPrefix("\"\(pace.rawValue)\";") }
        request.answers(
            with: "RateLimit", (others + [Substring(LimitFields.standing(standing))]).joined(separator: ", "))
        guard !standing.isGranted else { return }
        let words =
            switch pace {
            case .requests: "\(standing.quota) requests a second"
            case .submits: "\(standing.quota) jobs a minute"
            case .deckOctets: "\(standing.quota) octets of decks a day"
            }
        // Never earlier than what RateLimit says.
        var problem = Problem(
            pace == .deckOctets ? .quotaExceeded : .rateLimited,
            "You may send \(words); \(number == 1 ? "that was one more" : "these \(number) would be more").",
            retryAfter: LimitFields.later(standing.secondsToMore))
        problem.violatedPolicies = [pace.rawValue]
        throw problem
    }

    /// A place among what the caller has under way; for `wait` only where there is something to wait for.
    func permit(_ crowd: OwnerLimiter.Crowd, _ caller: Caller) throws(Problem) -> LimitPermit {
        if let permit = limiter.enter(crowd, of: caller.owner) { return permit }
        let most = limiter.rates(of: caller.owner).most(crowd) ?? 0
        let words = crowd == .streams ? "event streams" : "waiting requests"
        var problem = Problem(
            .quotaExceeded, "You have \(most) \(words) already, as many as you may.", retryAfter: LimitFields.later(5))
        problem.violatedPolicies = [crowd.rawValue]
        throw problem
    }
}

/// The fields of draft-ietf-httpapi-ratelimit-headers, as structured fields (RFC 9651).
enum LimitFields {
    static func policies(_ rates: OwnerRates) -> String {
        var items: [String] = []
        if let quota = rates.requestsPerSecond { items.append("\"requests\";q=\(quota);w=1") }
        if let quota = rates.submitsPerMinute { items.append("\"submits\";q=\(quota);w=60") }
        if let quota = rates.deckOctetsPerDay {
            items.append("\"deck-octets\";q=\(quota);w=86400;qu=\"content-bytes\"")
        }
        if let quota = rates.eventStreams { items.append("\"streams\";q=\(quota);qu=\"concurrent-requests\"") }
        if let quota = rates.waits { items.append("\"waits\";q=\(quota);qu=\"concurrent-requests\"") }
        return items.joined(separator: ", ")
    }

    static func standing(_ standing: OwnerLimiter.Standing) -> String {
        "\"\(standing.pace.rawValue)\";r=\(standing.remaining);t=\(standing.secondsToMore)"
    }

    /// A tenth more at most, so that not all come at once, and never less.
    static func later(_ seconds: Int) -> Int {
        min(3600, max(1, Int((Double(seconds) * .random(in: 1...1.1)).rounded(.up))))
    }
}
