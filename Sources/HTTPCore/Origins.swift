/// Other sites whose pages may read answers here, each named in full. By the Fetch standard, section 3.3 (CORS protocol).
///
/// No cookies are known here, so nothing is said of credentials: a page brings its key itself, in `Authorization`.
package struct Origins: Sendable, Equatable {
    private var known: Set<String> = []

    package init() {}

    package var isEmpty: Bool { known.isEmpty }

    /// - Parameter text: as browsers send it, such as `https://jobs.example` or `http://localhost:3000`.
    /// - Returns: false when that is no origin.
    package mutating func add(_ text: String) -> Bool {
        guard let scheme = ["https://", "http://"].first(where: { text.hasPrefix($0) }) else { return false }
        let authority = text.dropFirst(scheme.count)
        guard !authority.isEmpty, Authority.isValid(Array(authority.utf8)[...]), !authority.contains("@"),
            authority.utf8.allSatisfy({ Octet.lowercased($0) == $0 })
        else { return false }
        known.insert(text)
        return true
    }

    /// What an answer says to a page of another site. `Vary` stands in every answer, or a cache would hand out the wrong one.
    func fields(for head: RequestHead) -> Fields {
        var fields: Fields = ["Vary": "Origin"]
        guard let origin = head["origin"], known.contains(origin) else { return fields }
        fields.add("Access-Control-Allow-Origin", origin)
        fields.add("Access-Control-Expose-Headers", Self.readable)
        return fields
    }

    /// What a question before the request is answered in addition.
    func preflight(_ head: RequestHead, allow: String) -> Fields {
        guard let origin = head["origin"], known.contains(origin), head["access-control-request-method"] != nil else {
            return Fields()
        }
        return [
            "Access-Control-Allow-Methods": allow, "Access-Control-Allow-Headers": Self.sendable,
            "Access-Control-Max-Age": "600",
        ]
    }

    private static let sendable =
        "Accept, Authorization, Content-Digest, Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Match, If-Range, Last-Event-ID, Prefer, Range, Traceparent, Tracestate, X-Request-Id"
    private static let readable =
        "Accept-Ranges, Content-Disposition, Content-Range, ETag, Idempotency-Replayed, Job-Id, Job-Outcome, Job-State, Link, Location, Output-Complete, Output-Records, Preference-Applied, RateLimit, RateLimit-Policy, Repr-Digest, Request-Id, Retry-After, WWW-Authenticate"
}
