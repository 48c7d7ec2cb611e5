import Engine
import HTTPCore
import Jobs
import Stores

/// The options of a submission, wherever they stand: query, JSON members, form parts. Gathers every fault before it
/// complains.
struct SubmitFields {
    /// Options with one text value each.
    static let names: Set<String> = [
        "host", "name", "notify", "correlator", "priority", "hold", "not_before", "not_after", "on_uncertain", "form",
        "timeout", "template", "symbols", "tabs", "cards", "split",
    ]
    /// Of which there are as many as one likes.
    static let families = ["label.", "symbol."]

    static func knows(_ name: String) -> Bool {
        names.contains(name) || NotifyFields.names.contains(name) || families.contains { name.hasPrefix($0) }
    }

    enum Place {
        case query, json, form, header

        func pointer(_ name: String) -> String? {
            self == .json ? "/" + name.split(separator: ".", maxSplits: 1).joined(separator: "/") : nil
        }
    }

    private(set) var host: String?
    private(set) var form: DeckForm?
    private var values: [String: (text: String, place: Place)] = [:]
    private var notify = NotifyFields()
    private var labels: [Job.Label] = []
    private var symbols: [String: String] = [:]
    /// The body is several decks, which JSON members say.
    var hasParts = false
    private var faults: [Problem.Item] = []

    mutating func fault(_ name: String, _ detail: String, _ place: Place) {
        guard faults.count < 20 else { return }
        faults.append(
            .init(pointer: place.pointer(name), code: "invalid-\(name.prefix(32))", detail: "\(name): \(detail)"))
    }

    /// Takes one option as text. `label.K` is a label.
    mutating func take(_ name: String, _ text: String, from place: Place) {
        if name.hasPrefix("label.") { return takeLabel(String(name.dropFirst("label.".count)), text, from: place) }
        if name.hasPrefix("symbol.") { return takeSymbol(String(name.dropFirst("symbol.".count)), text, from: place) }
        if NotifyFields.names.contains(name) { return takeNotify(name, text, from: place) }
        guard values[name] == nil else { return fault(name, "given twice.", place) }
        values[name] = (text, place)
        if name == "host" { host = text }
        if name == "form" {
            switch text {
            case "text": form = .text
            case "cards": form = .cardImages
            default: fault(name, "it must be text or cards.", place)
            }
        }
    }

    mutating func takeLabel(_ key: String, _ value: String, from place: Place) {
        guard (1...64).contains(key.utf8.count), key.utf8.allSatisfy(isTokenOctet) else {
            return fault("label.\(key.prefix(64))", "a label's name is 1 to 64 of A-Z a-z 0-9 . _ -", place)
        }
        guard (1...256).contains(value.utf8.count), Self.isPlain(value) else {
            return fault("label.\(key)", "a label's value is 1 to 256 octets without control characters.", place)
        }
        guard !labels.contains(where: { $0.key == key }) else { return fault("label.\(key)", "given twice.", place) }
        labels.append(Job.Label(key: key, value: value))
    }

    mutating func takeSymbol(_ key: String, _ value: String, from place: Place) {
        guard let name = DeckSymbols.name(key) else {
            return fault("symbol.\(key.prefix(64))", Self.symbolRule, place)
        }
        guard DeckSymbols.isValue(value) else { return fault("symbol.\(name)", Self.symbolValueRule, place) }
        guard symbols[name] == nil else { return fault("symbol.\(name)", "given twice.", place) }
        symbols[name] = value
    }

    static let symbolRule = "a symbol's name is 1 to 32 of A-Z 0-9 _, the first a letter."
    static let symbolValueRule =
        "a symbol's value is at most \(DeckSymbols.longestValue) octets without line ends and control characters."

    mutating func fault(part: Int, _ member: String, _ detail: String) {
        guard faults.count < 20 else { return }
        faults.append(
            .init(
                pointer: "/parts/\(part)/\(member)", code: "invalid-parts",
                detail: "\(member) of part \(part): \(detail)"))
    }

    private mutating func takeNotify(_ name: String, _ text: String, from place: Place) {
        if let words = notify.take(name, text) { fault(name, words, place) }
    }

    mutating func takeNotify(_ url: String, events: [String]?, secret: String?, from place: Place) {
        for (name, words) in notify.take(url, events: events, secret: secret) { fault(name, words, place) }
    }

    /// No control characters, of either set.
    static func isPlain(_ text: some StringProtocol) -> Bool {
        text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) }
    }

    /// - Throws: 422 with every fault that was found.
    mutating func options(for caller: Caller, _ settings: GatewaySettings) throws(Problem) -> SubmitOptions {
        var options = SubmitOptions(owner: caller.owner)
        options.name = value("name", "a job name is 1 to 8 of A-Z 0-9 $ # @, the first no digit.") { JobName($0) }
        options.priority =
            value("priority", "it must be a whole number from 0 to 15.") { text in
                strictInt(text).flatMap { (0...15).contains($0) ? $0 : nil }
            } ?? 0
        options.hold = value("hold", "it must be true or false.", Self.bool) ?? false
        options.correlator = value("correlator", "it must be 1 to 128 octets without control characters.") { text in
            (1...128).contains(text.utf8.count) && Self.isPlain(text) ? text : nil
        }
        let time = "it must be a time as 2026-01-31T12:00:00Z."
        options.notBefore = value("not_before", time) { Timestamp(rfc3339: $0) }
        options.notAfter = value("not_after", time) { Timestamp(rfc3339: $0) }
        if let from = options.notBefore, let until = options.notAfter, until <= from {
            fault("not_after", "it must be later than not_before.", values["not_after"]?.place ?? .query)
        }
        options.timeout = value("timeout", "it must be whole seconds from 1 to 2592000 (30 days).") { text in
            strictInt(text).flatMap { (1...2_592_000).contains($0) ? .seconds($0) : nil }
        }
        options.uncertainPolicy = value("on_uncertain", "it must be hold, resubmit or abandon.") {
            Job.UncertainPolicy(rawValue: $0)
        }
        _ = deckOptions(for: caller, isStrict: false, isDryRun: false)
        if caller.isIdentified { options.principal = caller.principal }
        for label in caller.labels where !labels.contains(label) {
            if labels.contains(where: { $0.key == label.key }) {
                fault("label.\(label.key)", "with these credentials it can be \"\(label.value)\" only.", .query)
            }
            options.labels.append(label)
        }
        options.labels = (options.labels + labels).sorted { $0.key < $1.key }
        if labels.count > settings.mostLabels { fault("labels", "at most \(settings.mostLabels).", .json) }
        let requests = notify.requests
        if requests.count > settings.mostNotifyURLs {
            fault("notify", "at most \(settings.mostNotifyURLs) URLs.", .json)
        }
        if let name = notify.orphan { fault(name, "it goes with notify, of which there is none.", .query) }
        for request in requests {
            do {
                try settings.checkNotify(request.url)
            } catch {
                fault("notify", "\(error)", .query)
            }
        }
        options.notify = requests
        if let first = faults.first {
            throw Problem(
                .invalidField, faults.count == 1 ? first.detail : "\(faults.count) fields are not valid.",
                errors: faults)
        }
        return options
    }

    /// How the deck is to be taken in; what is wrong with that becomes a fault.
    mutating func deckOptions(for caller: Caller, isStrict: Bool, isDryRun: Bool) -> DeckOptions {
        var options = DeckOptions()
        options.form = form ?? .text
        options.isStrict = isStrict
        options.isDryRun = isDryRun
        options.owner = caller.owner
        options.allowsControlCards = caller.allowsControlCards
        options.name = values["name"].flatMap { JobName($0.text) }
        options.symbols = symbols
        options.splits = value("split", "it must be true or false.", Self.bool) ?? false
        options.expandsTabs = value("tabs", "it must be refuse or expand.", Self.either("refuse", "expand")) ?? false
        options.wrapsCards = value("cards", "it must be refuse or wrap.", Self.either("refuse", "wrap")) ?? false
        options.substitutes = value("symbols", "it must be on or off.", Self.either("off", "on"))
        options.template = value("template", "it must be the name of a template of the host, or none.") { text in
            (1...64).contains(text.utf8.count) && text.utf8.allSatisfy(isTokenOctet) ? text : nil
        }
        if symbols.count > DeckSymbols.mostSymbols { fault("symbols", "at most \(DeckSymbols.mostSymbols).", .json) }
        if options.splits || hasParts, let name = values["name"] {
            fault("name", "it goes with one job; of several each has its own on its job card.", name.place)
        }
        if options.splits, hasParts { fault("split", "parts are one job each.", .json) }
        if options.splits, let template = options.template, template != "none" {
            fault("template", "it goes with one job; with split=true each deck has its own job card.", .query)
        }
        if options.form == .cardImages, options.changesText {
            fault("form", "card images are sent as they are: without template, symbols, tabs and cards.", .query)
        }
        return options
    }

    private static func either(_ no: String, _ yes: String) -> (String) -> Bool? {
        { $0 == yes ? true : $0 == no ? false : nil }
    }

    private static func bool(_ text: String) -> Bool? {
        switch text {
        case "", "true", "1", "yes": true
        case "false", "0", "no": false
        default: nil
        }
    }

    private mutating func value<Value>(_ name: String, _ rule: String, _ make: (String) -> Value?) -> Value? {
        guard let (text, place) = values[name] else { return nil }
        let value = make(text)
        if value == nil { fault(name, rule, place) }
        return value
    }

    /// What makes two requests with one key the same, beside the deck: the same for any order and any form of the request.
    var canonical: String {
        var lines = values.map { "\($0.key)=\($0.value.text)" }
        lines += labels.map { "label.\($0.key)=\($0.value)" }
        lines += symbols.map { "symbol.\($0.key)=\($0.value)" }
        lines += notify.requests.map { "notify=\($0.url) \($0.events.joined(separator: " ")) \($0.secret ?? "")" }
        return lines.sorted().joined(separator: "\u{0}")
    }
}
