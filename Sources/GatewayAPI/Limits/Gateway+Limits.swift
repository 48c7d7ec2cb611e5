import HTTPCore

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

    private func count(_ pace: OwnerLimiter.Pace, _ caller: Caller, _ request: Request) throws(Problem) {
        guard let standing = limiter.take(pace, of: caller.owner) else { return }
        let rates = limiter.rates(of: caller.owner)
        request.answers(with: "RateLimit-Policy", LimitFields.policies(rates))
        let more = request.answerFields["RateLimit"].map { $0 + ", " } ?? ""
        request.answers(with: "RateLimit", more + LimitFields.standing(standing))
        guard !standing.isGranted else { return }
        let words =
            pace == .requests ? "\(standing.quota) requests a second" : "\(standing.quota) jobs a minute"
        // Never earlier than what RateLimit says.
        var problem = Problem(
            .rateLimited, "You may send \(words); that was one more.",
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
