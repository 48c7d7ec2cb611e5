package import Jobs

/// When a key set is read again: as a value, without clock and network.
///
/// A set is used until a newer one has come, however long its server fails; keys that an issuer withdraws are gone with the next
/// set that can be read.
package struct KeySetSchedule: Equatable, Sendable {
    /// A server may ask for more or less than this.
    package static let leastAge = Duration.seconds(60)
    package static let mostAge = Duration.seconds(24 * 3600)
    package static let usualAge = Duration.seconds(600)
    /// Between two readings for keys that tokens name and the set lacks, and after a failure.
    package static let leastPause = Duration.seconds(30)

    private var isReading = false
    private var lastBegun: Timestamp?
    private var due: Timestamp?

    package init() {}

    /// When the next reading is due; nil while one is under way.
    package func due(at now: Timestamp) -> Timestamp? { isReading ? nil : due ?? now }

    package mutating func begun(at now: Timestamp) {
        isReading = true
        lastBegun = now
    }

    /// - Parameter maxAge: what the server said; nil: nothing.
    package mutating func succeeded(maxAge: Duration?, at now: Timestamp) {
        isReading = false
        due = now.advanced(by: min(max(maxAge ?? Self.usualAge, Self.leastAge), Self.mostAge))
    }

    package mutating func failed(at now: Timestamp) {
        isReading = false
        due = now.advanced(by: Self.leastPause)
    }

    /// A token names a key that the set lacks.
    ///
    /// - Returns: whether it is worth asking again in a moment: a reading is under way, or is due now.
    package mutating func keyMissed(at now: Timestamp) -> Bool {
        if isReading { return true }
        if let lastBegun, now < lastBegun.advanced(by: Self.leastPause) { return false }
        due = now
        return true
    }
}
