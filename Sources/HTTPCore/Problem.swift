package import Wire

/// Type of a problem: status, slug and title go together and never change (conventions, section 2).
package struct ProblemKind: Sendable, Equatable {
    package let status: Int
    package let slug: String
    package let title: String

    package init(_ status: Int, _ slug: String, _ title: String) {
        self.status = status
        self.slug = slug
        self.title = title
    }

    package static let malformedRequest = ProblemKind(400, "malformed-request", "Malformed request")
    package static let invalidCursor = ProblemKind(400, "invalid-cursor", "Invalid cursor")
    package static let digestMismatch = ProblemKind(400, "digest-mismatch", "Digest mismatch")
    package static let idempotencyKeyInvalid = ProblemKind(400, "idempotency-key-invalid", "Invalid idempotency key")
    package static let unauthenticated = ProblemKind(401, "unauthenticated", "Credentials required")
    package static let invalidCredentials = ProblemKind(401, "invalid-credentials", "Invalid credentials")
    package static let insufficientScope = ProblemKind(403, "insufficient-scope", "Insufficient scope")
    package static let notFound = ProblemKind(404, "not-found", "Not found")
    package static let methodNotAllowed = ProblemKind(405, "method-not-allowed", "Method not allowed")
    package static let notAcceptable = ProblemKind(406, "not-acceptable", "Not acceptable")
    package static let requestTimeout = ProblemKind(408, "request-timeout", "Request timeout")
    package static let idempotencyInFlight = ProblemKind(409, "idempotency-in-flight", "First request still running")
    package static let stateConflict = ProblemKind(409, "state-conflict", "Not possible in this state")
    package static let purged = ProblemKind(410, "purged", "Purged")
    package static let lengthRequired = ProblemKind(411, "length-required", "Length required")
    package static let preconditionFailed = ProblemKind(412, "precondition-failed", "Precondition failed")
    package static let contentTooLarge = ProblemKind(413, "content-too-large", "Content too large")
    package static let uriTooLong = ProblemKind(414, "uri-too-long", "URI too long")
    package static let unsupportedMediaType = ProblemKind(415, "unsupported-media-type", "Unsupported media type")
    package static let rangeNotSatisfiable = ProblemKind(416, "range-not-satisfiable", "Range not satisfiable")
    package static let expectationFailed = ProblemKind(417, "expectation-failed", "Expectation failed")
    package static let misdirected = ProblemKind(421, "misdirected", "Misdirected request")
    package static let idempotencyKeyReused = ProblemKind(422, "idempotency-key-reused", "Idempotency key reused")
    package static let invalidDeck = ProblemKind(422, "invalid-deck", "Invalid deck")
    package static let invalidField = ProblemKind(422, "invalid-field", "Invalid field")
    package static let unknownHost = ProblemKind(422, "unknown-host", "Unknown host")
    package static let preconditionRequired = ProblemKind(428, "precondition-required", "Precondition required")
    package static let quotaExceeded = ProblemKind(429, "quota-exceeded", "Quota exceeded")
    package static let rateLimited = ProblemKind(429, "rate-limited", "Rate limited")
    package static let headerTooLarge = ProblemKind(431, "header-too-large", "Header too large")
    package static let internalError = ProblemKind(500, "internal", "Internal error")
    package static let corrupt = ProblemKind(500, "corrupt", "Stored data is damaged")
    package static let notImplemented = ProblemKind(501, "not-implemented", "Not implemented")
    package static let draining = ProblemKind(503, "draining", "Shutting down")
    package static let storageUnavailable = ProblemKind(503, "storage-unavailable", "Storage unavailable")
    package static let queueFull = ProblemKind(503, "queue-full", "Queue full")
    package static let hostUnavailable = ProblemKind(503, "host-unavailable", "Host unavailable")
    package static let issuerUnavailable = ProblemKind(503, "issuer-unavailable", "Token issuer unavailable")
    package static let tooManyConnections = ProblemKind(503, "too-many-connections", "Too many connections")
    package static let versionNotSupported = ProblemKind(505, "version-not-supported", "HTTP version not supported")

    /// All of them, for the pages under `/problems/`.
    package static let all: [ProblemKind] = [
        malformedRequest, invalidCursor, digestMismatch, idempotencyKeyInvalid, unauthenticated, invalidCredentials,
        insufficientScope, notFound, methodNotAllowed, notAcceptable, requestTimeout, idempotencyInFlight,
        stateConflict, purged, lengthRequired, preconditionFailed, contentTooLarge, uriTooLong, unsupportedMediaType,
        rangeNotSatisfiable, expectationFailed, misdirected, idempotencyKeyReused, invalidDeck, invalidField,
        unknownHost, preconditionRequired, quotaExceeded, rateLimited, headerTooLarge, internalError, corrupt,
        notImplemented,
        draining, storageUnavailable, queueFull, hostUnavailable, issuerUnavailable, tooManyConnections,
        versionNotSupported,
    ]
}

/// A failure as the client reads it (RFC 9457). Thrown by handlers, it is the answer.
package struct Problem: Error, Sendable, Equatable {
    /// One fault of several, in a member or at a place of a deck.
    package struct Item: Sendable, Equatable {
        package var pointer: String?
        package var line: Int?
        package var column: Int?
        package var code: String
        package var detail: String

        package init(pointer: String? = nil, line: Int? = nil, column: Int? = nil, code: String, detail: String) {
            self.pointer = pointer
            self.line = line
            self.column = column
            self.code = Blanking.blanked(code)
            self.detail = Blanking.blanked(detail)
        }
    }

    package var kind: ProblemKind
    /// This occurrence, for people; nothing of our inside.
    package var detail: String
    package var instance: String?
    package var errors: [Item] = []
    /// Set by the server when it answers.
    package var requestID: String?
    /// Whether the same request may succeed later; absent where that says nothing.
    package var retryable: Bool?
    package var job: String?
    /// Seconds, sent as `Retry-After`.
    package var retryAfter: Int?
    /// Fields the answer carries beside: `Allow`, `WWW-Authenticate`, `Content-Range`.
    package var fields: Fields = [:]
    /// The limits that were met, by the names they have in `RateLimit-Policy`.
    package var violatedPolicies: [String] = []
    /// Further text members.
    package var members: [String: String] = [:]

    package init(
        _ kind: ProblemKind, _ detail: String, errors: [Item] = [], retryAfter: Int? = nil, job: String? = nil,
        fields: Fields = [:]
    ) {
        self.kind = kind
        self.detail = Blanking.blanked(detail)
        self.errors = errors
        self.retryAfter = retryAfter
        self.job = job
        self.fields = fields
        if kind.status == 503 || kind.status == 429 || kind.status == 408 { retryable = true }
    }

    package var status: Int { kind.status }

    /// The document, `application/problem+json`.
    package var json: [UInt8] {
        var json = JSONWriter(capacity: 256)
        json.beginObject()
        json.key("type")
        json.string("/problems/\(kind.slug)")
        json.key("title")
        json.string(kind.title)
        json.key("status")
        json.int(kind.status)
        json.key("detail")
        json.string(detail)
        if let instance {
            json.key("instance")
            json.string(instance)
        }
        if !errors.isEmpty {
            json.key("errors")
            json.beginArray()
            for item in errors { item.write(&json) }
            json.endArray()
        }
        if let requestID {
            json.key("request_id")
            json.string(requestID)
        }
        if let retryable {
            json.key("retryable")
            json.bool(retryable)
        }
        if let job {
            json.key("job")
            json.string(job)
        }
        if !violatedPolicies.isEmpty {
            json.key("violated-policies")
            json.beginArray()
            for policy in violatedPolicies { json.string(policy) }
            json.endArray()
        }
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            json.key(name)
            json.string(value)
        }
        json.endObject()
        return json.bytes
    }

    /// One line, for a client that takes text only.
    package var line: String {
        let places = errors.map { item in
            let place = item.line.map { " (line \($0)" + (item.column.map { ", column \($0)" } ?? "") + ")" }
            return "; \(item.detail)" + (place ?? item.pointer.map { " (\($0))" } ?? "")
        }
        let text = "error: \(kind.title): \(detail)" + places.joined()
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 ? " " : $0 })) + "\n"
    }

    /// The answer; as a line for a client whose `Accept` takes text and no JSON.
    package func response(asText: Bool = false) -> Response {
        var fields = fields
        if let retryAfter { fields["Retry-After"] = String(max(0, retryAfter)) }
        if asText { return .text(line, status: status, fields: fields) }
        return Response(
            status: status, contentType: "application/problem+json", fields: fields, body: .bytes(json))
    }
}

extension Problem.Item {
    package func write(_ json: inout JSONWriter) {
        json.beginObject()
        if let pointer {
            json.key("pointer")
            json.string(pointer)
        }
        if let line {
            json.key("line")
            json.int(line)
        }
        if let column {
            json.key("column")
            json.int(column)
        }
        json.key("code")
        json.string(code)
        json.key("detail")
        json.string(detail)
        json.endObject()
    }
}
