/// The host's number of a job, `J00042`. Numbers above 99,999 are written as JES2 does, `J0100000`.
package struct HostJobNumber: Hashable, Sendable, CustomStringConvertible {
    package let value: Int
    package static let most = 9_999_999

    /// nil unless from 1 to `most`.
    package init?(value: Int) {
        guard (1...HostJobNumber.most).contains(value) else { return nil }
        self.value = value
    }

    /// Takes the text only as the host writes it.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.first == 0x4A, (6...8).contains(text.utf8.count), let value = Int(text.dropFirst()) else {
            return nil
        }
        self.init(value: value)
        guard description == text else { return nil }
    }

    package var description: String { value <= 99_999 ? "J\(pad(value, 5))" : "J\(pad(value, 7))" }
}

/// Hands out job numbers upward from 1, over again after `soft`, and never one that is named. Only when every number up
/// to `soft` is named does it go on to the long ones.
struct JobNumbers: Sendable {
    static let usualSoft = 99_999
    /// By number: how many things name it (a job, a key).
    private var names: [UInt8]
    private var named = 0
    private var last = 0

    init(soft: Int = usualSoft) { names = Array(repeating: 0, count: max(1, soft) + 1) }

    /// nil when every number there can be is named. The number is named once, by the job.
    mutating func take() -> HostJobNumber? {
        if named >= names.count - 1 {
            let more = min(HostJobNumber.most + 1, names.count * 10)
            guard more > names.count else { return nil }
            last = names.count - 1
            names.append(contentsOf: repeatElement(0, count: more - names.count))
        }
        var candidate = last
        repeat { candidate = candidate + 1 < names.count ? candidate + 1 : 1 } while names[candidate] > 0
        last = candidate
        guard let number = HostJobNumber(value: candidate) else { return nil }
        name(number)
        return number
    }

    mutating func name(_ number: HostJobNumber) {
        if number.value >= names.count {
            names.append(contentsOf: repeatElement(0, count: number.value + 1 - names.count))
        }
        if names[number.value] == 0 { named += 1 }
        if names[number.value] < .max { names[number.value] += 1 }
    }

    mutating func release(_ number: HostJobNumber) {
        guard number.value < names.count, names[number.value] > 0 else { return }
        names[number.value] -= 1
        if names[number.value] == 0 { named -= 1 }
    }

    /// After a restart: the last one given.
    mutating func resume(after number: Int) { last = min(max(0, number), names.count - 1) }
    var lastGiven: Int { last }
}
