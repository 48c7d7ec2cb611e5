import Engine
import Stores
import Yams

extension ConfigurationReader {
    /// `retention:`, each member an age such as `30d`, or `never`; `size` a number of octets such as `20GiB`.
    mutating func readRetention(_ node: Node, into rules: inout RetentionRules) {
        let known = RetentionKind.aged.map(\.rawValue) + ["size"]
        guard let members = members(of: node, named: "retention", known: known) else { return }
        for kind in RetentionKind.aged {
            guard let member = members[kind.rawValue], let text = string(member, kind.rawValue) else { continue }
            if text == "never" {
                rules.ages[kind] = nil
            } else if let age = Quantity.duration(text) {
                rules.ages[kind] = age
            } else {
                fault(member, "\(kind.rawValue) is an age such as 90s, 15m, 12h, 30d or 2w, or never")
            }
        }
        if let member = members["size"], let text = string(member, "size") {
            if text == "never" {
                rules.mostOctets = nil
            } else if let octets = Quantity.octets(text) {
                rules.mostOctets = octets
            } else {
                fault(member, "size is a number of octets such as 500MiB, 20GiB or 1TiB, or never")
            }
        }
        if let jobs = rules.ages[.jobs] {
            for kind in [RetentionKind.decks, .outputs] where rules.ages[kind].map({ $0 > jobs }) ?? false {
                if let member = members[kind.rawValue] ?? members["jobs"] {
                    fault(member, "\(kind.rawValue) go with their job: an age above that of jobs has no effect")
                }
            }
        }
    }
}

/// A whole number from 1 and a unit.
enum Quantity {
    static func duration(_ text: String) -> Duration? {
        value(text, units: ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]).map { .seconds($0) }
    }

    static func octets(_ text: String) -> Int? {
        value(text, units: ["KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40])
    }

    private static func value(_ text: String, units: [String: Int]) -> Int? {
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard (1...9).contains(digits.utf8.count), let number = Int(digits), number > 0,
            let unit = units[String(text.dropFirst(digits.count))]
        else { return nil }
        let (product, isTooMuch) = number.multipliedReportingOverflow(by: unit)
        return isTooMuch || product > 1 << 53 ? nil : product
    }
}
