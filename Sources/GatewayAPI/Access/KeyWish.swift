package import Jobs
import Lines

/// What a new key is to be: the members of `POST /v1/keys`, the options of `port77 keys create`.
package struct KeyWish: Sendable {
    package var name = ""
    package var owner = Owner.local
    package var scopes: Scopes = []
    package var hosts: Set<HostID>?
    package var labels: [Job.Label] = []
    package var networks: [String] = []
    package var expiresAt: Timestamp?
    package var allowsControlCards = false
    /// Part of the key's text: `live`, `test`.
    package var environment = "live"

    package init() {}

    /// Takes one member as words.
    ///
    /// - Returns: what is wrong with it, for people.
    package mutating func take(_ name: String, _ words: [String], now: Timestamp) -> String? {
        let word = words.count == 1 ? words[0] : ""
        switch name {
        case "name":
            guard (1...100).contains(word.utf8.count), SubmitFields.isPlain(word) else {
                return "it must be 1 to 100 octets without control characters."
            }
            self.name = word
        case "owner":
            guard let owner = Owner(word) else { return "it must be 1 to 64 of A-Z a-z 0-9 . _ -" }
            self.owner = owner
        case "scopes":
            guard Set(words).count == words.count else { return "it names one twice." }
            guard let scopes = Scopes(words: words.joined(separator: " ")) else {
                return "it must be some of \(Scope.allCases.map(\.rawValue).joined(separator: ", "))."
            }
            self.scopes = scopes
        case "hosts":
            let hosts = words.compactMap { HostID($0) }
            guard (1...500).contains(words.count), hosts.count == words.count else {
                return "it must be 1 to 500 IDs of hosts."
            }
            self.hosts = Set(hosts)
        case "networks":
            guard words.count <= 50, words.allSatisfy({ Network($0) != nil }) else {
                return "it must be at most 50 networks as 10.0.0.0/8 or 2001:db8::/32."
            }
            networks = words
        case "labels":
            labels = []
            for word in words {
                guard let sign = word.firstIndex(of: "="),
                    let label = Self.label(word[..<sign], word[sign...].dropFirst())
                else { return "it must be labels as team=payroll." }
                labels.append(label)
            }
            labels.sort { $0.key < $1.key }
        case "expires":
            guard let time = Self.time(word, after: now) else {
                return "it must be a time ahead, as 30d, 12h or 2030-01-31T12:00:00Z."
            }
            expiresAt = time
        case "environment":
            guard APIKey(environment: word) != nil else { return "it must be 1 to 12 of a-z 0-9." }
            environment = word
        default: return "there is no such member."
        }
        return nil
    }

    /// What is missing; nil: nothing.
    package var missing: (name: String, words: String)? {
        if name.isEmpty { return ("name", "the member is missing: what is the key for?") }
        if scopes.isEmpty { return ("scopes", "the member is missing: what may the key do?") }
        return nil
    }

    private static func label(_ key: Substring, _ value: Substring) -> Job.Label? {
        guard (1...64).contains(key.utf8.count), key.utf8.allSatisfy(isTokenOctet),
            (1...256).contains(value.utf8.count), SubmitFields.isPlain(value)
        else { return nil }
        return Job.Label(key: String(key), value: String(value))
    }

    /// A span from now (`90s`, `15m`, `12h`, `30d`, at most ten years) or a moment.
    private static func time(_ text: String, after now: Timestamp) -> Timestamp? {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        let most = 3650 * 86_400
        if let unit = text.last.flatMap({ units[$0] }), text.utf8.count <= 10, let count = strictInt(text.dropLast()) {
            let seconds = count.multipliedReportingOverflow(by: unit)
            guard !seconds.overflow, (1...most).contains(seconds.partialValue) else { return nil }
            return now.advanced(by: .seconds(seconds.partialValue))
        }
        guard let time = Timestamp(rfc3339: text), time > now, now.duration(to: time) <= .seconds(most) else {
            return nil
        }
        return time
    }
}
