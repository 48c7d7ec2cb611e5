/// `Sun, 06 Nov 1994 08:49:37 GMT`, in whole seconds since 1970 (RFC 9110, 5.6.7).
package enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    package static func text(_ seconds: Int64) -> String {
        let seconds = max(0, min(seconds, 253_402_300_799))  // the year 9999
        let day = seconds / 86_400, time = seconds % 86_400
        let (year, month, date) = civil(day)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let padded = String(repeating: "0", count: 4 - String(year).count) + String(year)
        return "\(days[Int(day % 7)]), \(two(date)) \(months[Int(month) - 1]) \(padded) "
            + "\(two(time / 3600)):\(two(time / 60 % 60)):\(two(time % 60)) GMT"
    }

    /// - Returns: `nil` for anything but the one form that is sent today; a recipient ignores such a field.
    package static func seconds(_ text: String) -> Int64? {
        let octets = Array(text.utf8)
        guard octets.count == 29, octets[3] == 0x2C, octets[4] == 0x20, octets[7] == 0x20, octets[11] == 0x20,
            octets[16] == 0x20, octets[19] == 0x3A, octets[22] == 0x3A, octets[25...].elementsEqual(" GMT".utf8),
            let month = months.firstIndex(of: octets[8..<11].text), days.contains(octets[0..<3].text),
            let date = number(octets[5..<7]), let year = number(octets[12..<16]), let hour = number(octets[17..<19]),
            let minute = number(octets[20..<22]), let second = number(octets[23..<25]),
            year >= 1970, (1...31).contains(date), hour < 24, minute < 60, second <= 60
        else { return nil }
        let day = dayNumber(year, Int64(month) + 1, date)
        guard civil(day).date == date else { return nil }
        return day * 86_400 + hour * 3600 + minute * 60 + second
    }

    private static func number(_ octets: ArraySlice<UInt8>) -> Int64? {
        octets.allSatisfy(Octet.isDigit) ? Int64(octets.text) : nil
    }

    // Days and dates of the Gregorian calendar in eras of 400 years that begin on 1 March.
    private static func civil(_ day: Int64) -> (year: Int64, month: Int64, date: Int64) {
        let shifted = day + 719_468
        let era = shifted / 146_097, inEra = shifted % 146_097
        let yearOfEra = (inEra - inEra / 1460 + inEra / 36_524 - inEra / 146_096) / 365
        let inYear = inEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * inYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, inYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func dayNumber(_ year: Int64, _ month: Int64, _ date: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400, yearOfEra = shifted % 400
        let inYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + date - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + inYear - 719_468
    }
}
