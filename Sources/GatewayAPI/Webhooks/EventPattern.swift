import Jobs

/// Types of events that `notify` of one job may name.
enum EventPattern {
    /// Final states: what a caller who hands in a URL waits for.
    static let usual = ["job.completed", "job.failed", "job.rejected", "job.canceled", "job.expired"]

    static func isOfJob(_ text: String) -> Bool {
        if text == "*" || text == "job.*" { return true }
        return text.hasPrefix("job.") && JobState(rawValue: String(text.dropFirst(4))) != nil
    }
}
