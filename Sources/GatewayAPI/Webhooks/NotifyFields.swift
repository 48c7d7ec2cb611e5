import Stores
import Webhooks

/// Who is called for one job alone: `notify` of a submission.
///
/// JSON says it per URL (`{url, events, secret}`). `notify_events` in a query or a form, `notify_secret` in a form and the field
/// `Notify-Secret` hold for every URL without its own. A secret never stands in a query: that ends in the logs of whatever lies
/// between.
struct NotifyFields {
    static let secretName = "notify_secret"
    static let queryNames: Set<String> = ["notify", "notify_events"]
    static let names = queryNames.union([secretName])
    static let longestURL = 2048

    private struct Wish {
        let url: String
        let events: [String]?
        let secret: String?
    }

    private var wishes: [Wish] = []
    private var events: [String]?
    private var secret: String?

    var requests: [Submission.NotifyRequest] {
        wishes.map { wish in
            .init(url: wish.url, events: wish.events ?? events ?? EventPattern.usual, secret: wish.secret ?? secret)
        }
    }

    /// An option for URLs of which there is none.
    var orphan: String? {
        guard wishes.isEmpty else { return nil }
        return secret != nil ? Self.secretName : events != nil ? "notify_events" : nil
    }

    /// - Returns: what is wrong with it.
    mutating func take(_ name: String, _ text: String) -> String? {
        switch name {
        case "notify_events":
            guard events == nil else { return "given twice." }
            let given = text.split(separator: ",").map(String.init)
            guard !given.isEmpty else { return "it must be types of events with commas between." }
            events = given
            return Self.fault(inEvents: given)
        case Self.secretName:
            guard secret == nil else { return "given twice." }
            secret = text
            return EndpointFields.fault(ofSecret: text)
        default: return take(text, events: nil, secret: nil).first?.words
        }
    }

    /// - Returns: what is wrong, by member.
    mutating func take(_ url: String, events: [String]?, secret: String?) -> [(name: String, words: String)] {
        guard (1...Self.longestURL).contains(url.utf8.count) else {
            return [("notify", "it must be a URL of at most \(Self.longestURL) octets.")]
        }
        wishes.append(Wish(url: url, events: events, secret: secret))
        var faults: [(name: String, words: String)] = []
        if let words = events.flatMap({ Self.fault(inEvents: $0) }) { faults.append(("notify.events", words)) }
        if let words = secret.flatMap({ EndpointFields.fault(ofSecret: $0) }) {
            faults.append(("notify.secret", words))
        }
        return faults
    }

    private static func fault(inEvents events: [String]) -> String? {
        guard events.count <= EndpointRules.mostPatterns else { return "at most \(EndpointRules.mostPatterns) types." }
        return events.first { !EventPattern.isOfJob($0) }.map {
            "\"\($0.prefix(64))\" is no type of event, as job.completed or job.*"
        }
    }
}
