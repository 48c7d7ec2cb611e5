import HTTPCore
import Jobs
import Lines

/// Refused credentials by address: whoever guesses waits. Bounded: when too many addresses guess at once, the oldest guesses
/// are forgotten.
struct Guesses: Sendable {
    private struct Minute: Sendable {
        var began: Timestamp
        var failures: Int
    }

    static let mostFailures = 10
    private static let window = Duration.seconds(60)
    private let mostAddresses: Int
    private var young: [IPAddress: Minute] = [:]
    private var old: [IPAddress: Minute] = [:]

    init(mostAddresses: Int = 16_384) { self.mostAddresses = mostAddresses }

    /// - Returns: how long the address is not listened to; nil: it is.
    func wait(of address: IPAddress, at now: Timestamp) -> Duration? {
        guard let minute = young[address.client] ?? old[address.client], minute.failures >= Self.mostFailures else {
            return nil
        }
        let left = Self.window - minute.began.duration(to: now)
        return left > .zero && left <= Self.window ? left : nil
    }

    mutating func failed(_ address: IPAddress, at now: Timestamp) {
        let client = address.client
        var minute = young[client] ?? old[client] ?? Minute(began: now, failures: 0)
        let age = minute.began.duration(to: now)
        if age >= Self.window || age < .zero { minute = Minute(began: now, failures: 0) }
        minute.failures += 1
        if young[client] == nil, young.count >= mostAddresses / 2 {
            old = young
            young = [:]
        }
        young[client] = minute
    }
}
