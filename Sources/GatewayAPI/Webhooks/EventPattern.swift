import Jobs

/// What of the types of events a subscription may name: exact types and trailing wildcards.
enum EventPattern {
    /// Final states: what a caller who hands in a URL waits for.
    static let usual = ["job.completed", "job.failed", "job.rejected", "job.canceled", "job.expired"]
    static let most = 32

    /// Events of a job.
    static func isOfJob(_ text: String) -> Bool {
        if text == "*" || text == "job.*" { return true }
        return text.hasPrefix("job.") && JobState(rawValue: String(text.dropFirst(4))) != nil
    }

    /// `webhook.test` is sent on request only, so that nobody can ask for it here.
    private static let others: Set<String> = [
        "host.up", "host.down", "host.message", "host.*", "webhook.disabled", "webhook.*",
    ]

    static func isKnown(_ text: String) -> Bool { isOfJob(text) || others.contains(text) }
}
