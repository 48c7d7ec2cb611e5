extension ProblemPage {
    struct Words {
        let meaning: String
        let remedy: String
        let example: String?

        init(_ meaning: String, _ remedy: String, example: String? = nil) {
            self.meaning = meaning
            self.remedy = remedy
            self.example = example
        }
    }

    /// Where the manual tells more.
    static let pages = [
        "invalid-cursor": "lists", "unauthenticated": "keys", "invalid-credentials": "keys",
        "insufficient-scope": "keys",
        "not-acceptable": "output", "range-not-satisfiable": "output", "invalid-deck": "decks",
        "quota-exceeded": "keys",
        "rate-limited": "keys", "idempotency-key-reused": "lists", "misdirected": "operations",
        "draining": "operations",
        "too-many-connections": "operations", "purged": "storage", "corrupt": "storage",
        "storage-unavailable": "storage",
        "issuer-unavailable": "tokens",
    ]

    static let words: [String: Words] = [
        "malformed-request": Words(
            "The request cannot be understood, or has a query parameter that this path does not know.",
            "Check the spelling; the answer names the parameters that there are.",
            example: "There is no query parameter \"hots\" here; there are host, limit, state."),
        "invalid-cursor": Words(
            "The cursor is older than a day, was changed, or came with other filters.",
            "Begin the list again without the cursor, then follow next_cursor with the same filters."),
        "digest-mismatch": Words(
            "The body arrived other than Content-Digest says.", "Send it again; nothing was stored."),
        "idempotency-key-invalid": Words(
            "The key is not 1 to 255 of A-Z a-z 0-9 . _ : -, or this host takes jobs with a key only and there is none.",
            "Send Idempotency-Key, or PUT /v1/jobs/{key}.",
            example: "A key is 1 to 255 of A-Z a-z 0-9 . _ : -"),
        "unauthenticated": Words(
            "This gateway has keys, and the request brought none.",
            "Send Authorization: Bearer KEY, or use curl -u KEY:; port77 keys create makes one."),
        "invalid-credentials": Words(
            "The key is unknown, revoked, expired, or not for the network the request came from.",
            "Check the key; after ten failures a minute the address has to wait."),
        "insufficient-scope": Words(
            "The key is good, but may not do this; the answer names the scope that is missing.",
            "Use another key, or have one made with that scope.",
            example: "This needs the scope jobs:submit."),
        "not-found": Words(
            "There is no such path, job, host or output; a job of another owner is not there for you either.",
            "Check the path; GET /v1/jobs lists the jobs you may see.",
            example: "There is no job 01KAQ3W8Z5T0C7Q1M9E4R2V6XB."),
        "method-not-allowed": Words("The path has other methods.", "The field Allow names them."),
        "not-acceptable": Words(
            "The path is not served in any type that the field Accept takes.",
            "The answer lists the types; leave Accept out for the usual one."),
        "request-timeout": Words("The request came too slowly.", "Send it again."),
        "idempotency-in-flight": Words(
            "The first request with this key is not answered yet.", "Repeat the same request a little later."),
        "state-conflict": Words(
            "The job's state does not allow this now, or the host cannot do it.",
            "The member state or ability says why. Output is there when the job has ended: Prefer: wait=60 waits for it.",
            example: "The job is completed, which does not allow cancel."),
        "purged": Words(
            "It was there, and was removed on request or because it was older than this gateway keeps it.",
            "There is nothing left to get; submit the job again if need be."),
        "length-required": Words("The body has no length.", "Send Content-Length, or chunks."),
        "precondition-failed": Words(
            "It has changed since you read it (If-Match), or is there already (If-None-Match).", "Read it again."),
        "precondition-required": Words("A change needs If-Match here.", "Read it, and send its ETag as If-Match."),
        "content-too-large": Words(
            "The body is larger than the host or this path takes.",
            "The answer says the limit; a host's is in GET /v1/hosts/{id}."),
        "uri-too-long": Words("The request line is longer than 8 KiB.", "Send options in the body, as JSON."),
        "unsupported-media-type": Words(
            "The body is of a type that is not taken here. What curl -d sends has lost its line ends.",
            "Send the deck with curl -T deck.jcl or --data-binary @deck.jcl. Decks are UTF-8.",
            example: "The deck came as a form and has lost its line ends: use -T or --data-binary."),
        "range-not-satisfiable": Words(
            "The output is shorter than the range begins.", "Content-Range tells its length."),
        "expectation-failed": Words("The field Expect asks for what is not known.", "Leave it out."),
        "misdirected": Words(
            "The request names a host that this gateway does not serve.", "Check the name in the URL, or the proxy."),
        "idempotency-key-reused": Words(
            "The key belongs to another request: another deck, or other options.", "Use a new key for a new job.",
            example: "The key was used for another request, which became the job 01KAQ3W8Z5T0C7Q1M9E4R2V6XB."),
        "invalid-deck": Words(
            "The deck has faults. Nothing was stored and nothing was sent.",
            "The member errors lists every fault with line and column.",
            example: "The deck has a fault in line 3, column 81: the card is longer than 80 columns."),
        "invalid-field": Words(
            "An option is not valid. Nothing was stored.", "The member errors lists each, with a pointer into the body."
        ),
        "unknown-host": Words(
            "There is no such host, or several and the request names none.",
            "GET /v1/hosts lists the hosts; name one with ?host=.",
            example: "There is no host \"payrol\"; known are demo, payroll."),
        "quota-exceeded": Words(
            "As much of yours waits or is stored as may be.", "Wait, purge what is done, or ask for a higher limit."),
        "rate-limited": Words("Requests come faster than your limit.", "Wait as long as Retry-After says."),
        "header-too-large": Words(
            "The fields of the request are too many or too large.", "Send fewer or shorter ones."),
        "internal": Words(
            "The gateway failed. Nothing was committed.", "Try again; the gateway's log has more under the request ID."),
        "corrupt": Words(
            "What is stored does not match its checksum, or its file is gone. Other files of the job are not touched by it.",
            "GET /v1/storage lists what is damaged. Restore the file from a backup."),
        "not-implemented": Words(
            "The method is not known here.", "The description at /docs has the methods of each path."),
        "draining": Words(
            "The gateway is stopping.", "Try again when it is back; Retry-After says when."),
        "storage-unavailable": Words(
            "The gateway cannot write to its disk. Nothing was stored.",
            "Try again later; /readyz?verbose and the log say what is wrong."),
        "queue-full": Words(
            "As many jobs wait for this host as may wait.",
            "Wait as long as Retry-After says; the host takes them in turn."),
        "host-unavailable": Words(
            "The host could not be asked in time.", "GET /v1/hosts/{id} says how it is; try again later."),
        "issuer-unavailable": Words(
            "The keys of the token's issuer could not be fetched, so nobody can say whether the token is good.",
            "Send it again after the seconds in Retry-After; a key of this gateway works meanwhile."
        ),
        "too-many-connections": Words(
            "As many connections are open as may be.", "Reuse them, or try again in a moment."),
        "version-not-supported": Words("The request is not of HTTP/1.1.", "Use HTTP/1.1 or 1.0."),
    ]
}
