package import Jobs

/// Where the host's time comes from: the time of day in print-out, and the waiting of WAIT.
package struct HostTime: Sendable {
    package let now: @Sendable () -> Timestamp
    /// Ends early, with an error, when its task is cancelled.
    package let sleep: @Sendable (Duration) async throws -> Void

    package init(
        now: @escaping @Sendable () -> Timestamp, sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.now = now
        self.sleep = sleep
    }

    package static let system = HostTime(
        now: WallClock.system.now, sleep: { try await ContinuousClock().sleep(for: $0) })
}

/// A moment as batch systems print it, in UTC.
struct PrintedTime {
    let year: Int
    let month: Int
    let day: Int
    let hour: Int
    let minute: Int
    let second: Int
    /// From 1.
    let dayOfYear: Int
    /// 0 is Monday.
    let weekday: Int

    private static let months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
    private static let days = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]

    init(_ time: Timestamp) {
        let seconds = Int(max(0, time.microseconds) / 1_000_000)
        let date = time.rfc3339Octets
        func number(_ from: Int, _ count: Int) -> Int {
            date[from..<from + count].reduce(0) { $0 * 10 + Int($1 & 15) }
        }
        year = number(0, 4)
        month = number(5, 2)
        day = number(8, 2)
        hour = seconds / 3600 % 24
        minute = seconds / 60 % 60
        second = seconds % 60
        weekday = (seconds / 86_400 + 3) % 7
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
        dayOfYear = before[max(0, min(11, month - 1))] + day + (isLeap && month > 2 ? 1 : 0)
    }

    /// `01.02.03`
    var clock: String { "\(pad(hour, 2)).\(pad(minute, 2)).\(pad(second, 2))" }
    /// `23 NOV 2026`
    var date: String { "\(pad(day, 2)) \(PrintedTime.months[max(0, min(11, month - 1))]) \(pad(year, 4))" }
    /// `11/23/26`
    var shortDate: String { "\(pad(month, 2))/\(pad(day, 2))/\(pad(year % 100, 2))" }
    /// `01:02:03`
    var colonClock: String { "\(pad(hour, 2)):\(pad(minute, 2)):\(pad(second, 2))" }
    /// `2026327.0102`
    var julian: String { "\(pad(year, 4))\(pad(dayOfYear, 3)).\(pad(hour, 2))\(pad(minute, 2))" }
    var weekdayName: String { PrintedTime.days[weekday] }
}

/// With leading zeros.
func pad(_ number: Int, _ digits: Int) -> String {
    let text = String(number)
    return text.utf8.count >= digits ? text : String(repeating: "0", count: digits - text.utf8.count) + text
}

/// With blanks at the end, cut to `width`.
func left(_ text: String, _ width: Int) -> String {
    let count = text.utf8.count
    return count >= width ? String(text.prefix(width)) : text + String(repeating: " ", count: width - count)
}

/// With blanks in front.
func right(_ text: String, _ width: Int) -> String {
    let count = text.utf8.count
    return count >= width ? text : String(repeating: " ", count: width - count) + text
}
func right(_ number: Int, _ width: Int) -> String { right(String(number), width) }
