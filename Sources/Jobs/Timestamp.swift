import Glibc

/// A moment: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted. What the store holds.
package struct Timestamp: Hashable, Comparable, Sendable {
    package var microseconds: Int64

    package init(microseconds: Int64) { self.microseconds = microseconds }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }

    package func advanced(by duration: Duration) -> Timestamp {
        let (seconds, attoseconds) = duration.components
        return Timestamp(microseconds: microseconds &+ seconds &* 1_000_000 &+ attoseconds / 1_000_000_000_000)
    }

    package func duration(to later: Timestamp) -> Duration { .microseconds(later.microseconds &- microseconds) }

    /// RFC 3339 in UTC with milliseconds: `2026-11-23T01:02:03.456Z`.
    package var rfc3339: String { String(decoding: rfc3339Octets, as: UTF8.self) }

    package var rfc3339Octets: [UInt8] {
        let days = floorDivide(microseconds, 86_400_000_000)
        var rest = microseconds - days * 86_400_000_000
        let (year, month, day) = civil(fromDays: days)
        var octets: [UInt8] = []
        octets.reserveCapacity(24)
        func put(_ value: Int64, _ digits: Int) {
            var divisor: Int64 = 1
            for _ in 1..<digits { divisor *= 10 }
            var left = value
            while divisor > 0 {
                octets.append(UInt8(0x30 + (left / divisor) % 10))
                left %= divisor
                divisor /= 10
            }
        }
        put(min(max(year, 0), 9999), 4)
        octets.append(0x2D)
        put(month, 2)
        octets.append(0x2D)
        put(day, 2)
        octets.append(0x54)
        put(rest / 3_600_000_000, 2)
        rest %= 3_600_000_000
        octets.append(0x3A)
        put(rest / 60_000_000, 2)
        rest %= 60_000_000
        octets.append(0x3A)
        put(rest / 1_000_000, 2)
        octets.append(0x2E)
        put(rest % 1_000_000 / 1000, 3)
        octets.append(0x5A)
        return octets
    }

    /// Takes RFC 3339 with `Z` or an offset, with or without a fraction.
    package init?(rfc3339 text: some StringProtocol) {
        let octets = Array(text.utf8)
        func number(_ from: Int, _ count: Int) -> Int64? {
            guard from + count <= octets.count else { return nil }
            var value: Int64 = 0
            for octet in octets[from..<from + count] {
                guard (0x30...0x39).contains(octet) else { return nil }
                value = value * 10 + Int64(octet - 0x30)
            }
            return value
        }
        guard octets.count >= 20, octets[4] == 0x2D, octets[7] == 0x2D, octets[10] | 0x20 == 0x74,
            octets[13] == 0x3A, octets[16] == 0x3A,
            let year = number(0, 4), let month = number(5, 2), let day = number(8, 2), let hour = number(11, 2),
            let minute = number(14, 2), let second = number(17, 2),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        var at = 19
        var fraction: Int64 = 0
        if octets[at] == 0x2E {
            at += 1
            var scale: Int64 = 100_000
            let start = at
            while at < octets.count, (0x30...0x39).contains(octets[at]) {
                fraction += Int64(octets[at] - 0x30) * scale
                scale /= 10
                at += 1
            }
            guard at > start, at < octets.count else { return nil }
        }
        var offset: Int64 = 0
        switch octets[at] {
        case 0x5A, 0x7A:
            guard at + 1 == octets.count else { return nil }
        case 0x2B, 0x2D:
            guard at + 6 == octets.count, octets[at + 3] == 0x3A, let hours = number(at + 1, 2),
                let minutes = number(at + 4, 2), hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * (octets[at] == 0x2B ? 60 : -60)
        default: return nil
        }
        let days = Timestamp.days(year: year, month: month, day: day)
        guard civil(fromDays: days) == (year, month, day) else { return nil }
        self.init(
            microseconds: ((days * 24 + hour) * 60 + minute) * 60_000_000 + (second - offset) * 1_000_000 + fraction)
    }

    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = floorDivide(shifted, 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

/// Where "now" comes from; tests hand in their own.
package struct WallClock: Sendable {
    package let now: @Sendable () -> Timestamp

    package init(now: @escaping @Sendable () -> Timestamp) { self.now = now }

    package static let system = WallClock {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}

private func floorDivide(_ left: Int64, _ right: Int64) -> Int64 {
    left >= 0 ? left / right : -((-left + right - 1) / right)
}

/// Days since 1970-01-01 to a date of the proleptic Gregorian calendar (Howard Hinnant, chrono-compatible low-level
/// date algorithms).
private func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
}
