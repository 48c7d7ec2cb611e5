import Engine
import HTTPCore
import Jobs
import Wire

/// One deck of a JSON submission.
struct DeckPart {
    var deck: [UInt8]
    var name: JobName?
    var correlator: String?
    /// Beside those of all parts.
    var symbols: [String: String] = [:]

    /// What of it makes two requests with one key the same, beside the deck.
    var canonical: String {
        let symbols = symbols.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return ([name?.description ?? "", correlator ?? ""] + symbols).joined(separator: "\u{0}")
    }
}

extension DeckBody {
    mutating func takeJSON(_ body: RequestBody) async throws -> Taken {
        let octets = try await body.collect(upTo: gateway.settings.mostJSONOctets)
        var digest = try ContentDigest(request["content-digest"])
        digest?.update(octets)
        try digest?.check()
        let document: JSONValue
        do {
            document = try JSONValue(parsing: octets)
        } catch {
            throw Problem(
                .malformedRequest, "The body is no JSON: \(error.reason) (line \(error.line), column \(error.column)).",
                errors: [.init(line: error.line, column: error.column, code: "invalid-json", detail: error.reason)])
        }
        guard let members = document.members else {
            throw Problem(.invalidField, "The body must be a JSON object with the member deck, deck_base64 or parts.")
        }
        let parts = try fields.takeMembers(members)
        try checkOptions()
        let host = try gateway.host(named: fields.host, for: caller)
        let options = deckOptions()
        guard fields.hasParts else {
            let decks = try await take(parts[0].deck, for: host, options).map { BatchPart(deck: $0) }
            return Taken(decks: decks, isBatch: options.splits, host: host, mediaType: MediaTypes.json)
        }
        let decks = try await take(parts, for: host, options)
        let type = MediaTypes.json + parts.map(\.canonical).joined(separator: "\u{1}")
        return Taken(decks: decks, isBatch: true, host: host, mediaType: type)
    }

    private func take(
        _ deck: [UInt8], for host: HostProfile, _ options: DeckOptions
    ) async throws -> [DeckIntake.Taken] {
        let intake = try gateway.desk.intake(for: host, options: options)
        do {
            var rest = deck[...]
            while !rest.isEmpty {
                try await intake.append(Array(rest.prefix(64 * 1024)))
                rest = rest.dropFirst(64 * 1024)
            }
        } catch {
            await intake.discard()
            throw error
        }
        return try await intake.finishAll()
    }

    /// All decks, or what is wrong with any of them.
    private func take(_ parts: [DeckPart], for host: HostProfile, _ usual: DeckOptions) async throws -> [BatchPart] {
        var decks: [BatchPart] = []
        var errors: [Problem.Item] = []
        var warnings: [Problem.Item] = []
        for (index, part) in parts.enumerated() where errors.count < 20 {
            var options = usual
            options.name = part.name
            options.symbols.merge(part.symbols) { $1 }
            do {
                for deck in try await take(part.deck, for: host, options) {
                    decks.append(BatchPart(deck: deck, name: part.name, correlator: part.correlator))
                }
            } catch DeckIntake.Failure.faults(let faults, let more) {
                errors += faults.map { Problem.Item($0, pointer: "/parts/\(index)/deck") }
                warnings += more.map { Problem.Item($0, pointer: "/parts/\(index)/deck") }
            }
        }
        guard errors.isEmpty else { throw DeckFaults(errors: errors, warnings: warnings) }
        return decks
    }
}

extension SubmitFields {
    /// Takes the members of a JSON submission.
    /// - Returns: its decks, one unless there are parts.
    mutating func takeMembers(_ members: [JSONValue.Member]) throws(Problem) -> [DeckPart] {
        var deck: [UInt8]?
        var parts: [DeckPart] = []
        for member in members {
            switch (member.name, member.value) {
            case ("deck", .string(let text)), ("deck_base64", .string(let text)):
                take(text, member.name, &deck) { $0.fault(member.name, $1, .json) }
            case ("parts", .array(let elements)):
                hasParts = true
                if !(1...DeckIntake.mostJobs).contains(elements.count) {
                    fault("parts", "there are 1 to \(DeckIntake.mostJobs) of them.", .json)
                }
                parts = elements.prefix(DeckIntake.mostJobs).enumerated().map { takePart($1, $0) }
            case ("parts", _): fault("parts", "it must be a list of objects with deck or deck_base64.", .json)
            case ("symbols", .object(let symbols)):
                for symbol in symbols {
                    guard let text = symbol.value.string else {
                        fault("symbols.\(symbol.name.prefix(64))", "it must be a string.", .json)
                        continue
                    }
                    takeSymbol(symbol.name, text, from: .json)
                }
            case ("symbols", .bool(let value)): take("symbols", value ? "on" : "off", from: .json)
            case ("symbols", _): fault("symbols", "it must be an object of strings, or true or false.", .json)
            case ("split", .bool(let value)): take("split", value ? "true" : "false", from: .json)
            case ("split", _): fault("split", "it must be true or false.", .json)
            case ("labels", .object(let labels)):
                for label in labels {
                    guard let text = label.value.string else {
                        fault("labels.\(label.name.prefix(64))", "it must be a string.", .json)
                        continue
                    }
                    takeLabel(label.name, text, from: .json)
                }
            case ("notify", .array(let elements)):
                for element in elements { takeNotify(element) }
            case ("notify", let value): takeNotify(value)
            case ("hold", .bool(let value)): take("hold", value ? "true" : "false", from: .json)
            case ("priority", .int(let value)): take("priority", String(value), from: .json)
            case ("timeout", .int(let value)): take("timeout", String(value), from: .json)
            case ("timeout", _): fault("timeout", "it must be whole seconds from 1 to 2592000 (30 days).", .json)
            case ("hold", _): fault("hold", "it must be true or false.", .json)
            case ("priority", _): fault("priority", "it must be a whole number from 0 to 15.", .json)
            case (let name, .string(let text)) where Self.names.contains(name): take(name, text, from: .json)
            case (let name, _) where Self.names.contains(name) || ["deck", "deck_base64"].contains(name):
                fault(name, "it must be a string.", .json)
            case ("labels", _): fault("labels", "it must be an object of strings.", .json)
            case (let name, _): fault(String(name.prefix(64)), "there is no such member.", .json)
            }
        }
        if hasParts {
            if deck != nil { fault("deck", "there are parts; each has its own deck.", .json) }
            return parts
        }
        if deck == nil { fault("deck", "the member is missing.", .json) }
        return [DeckPart(deck: deck ?? [])]
    }

    private mutating func take(
        _ text: String, _ name: String, _ deck: inout [UInt8]?, _ fault: (inout SubmitFields, String) -> Void
    ) {
        guard deck == nil else { return fault(&self, "there is deck and deck_base64; send one of them.") }
        deck = name == "deck" ? Array(text.utf8) : Base64.decode(text)
        if deck == nil {
            fault(&self, "it is not base 64 (RFC 4648, with padding).")
            deck = []
        }
    }

    private mutating func takePart(_ value: JSONValue, _ index: Int) -> DeckPart {
        var part = DeckPart(deck: [])
        guard let members = value.members else {
            fault(part: index, "", "it must be an object with deck or deck_base64.")
            return part
        }
        var deck: [UInt8]?
        for member in members {
            let name = member.name
            switch (name, member.value) {
            case ("deck", .string(let text)), ("deck_base64", .string(let text)):
                take(text, name, &deck) { $0.fault(part: index, name, $1) }
            case ("name", .string(let text)):
                part.name = JobName(text)
                if part.name == nil {
                    fault(part: index, name, "a job name is 1 to 8 of A-Z 0-9 $ # @, the first no digit.")
                }
            case ("correlator", .string(let text)):
                if (1...128).contains(text.utf8.count), Self.isPlain(text) {
                    part.correlator = text
                } else {
                    fault(part: index, name, "it must be 1 to 128 octets without control characters.")
                }
            case ("symbols", .object(let symbols)):
                for symbol in symbols {
                    guard let key = DeckSymbols.name(symbol.name), let text = symbol.value.string,
                        DeckSymbols.isValue(text)
                    else {
                        fault(part: index, name, "\(Self.symbolRule) \(Self.symbolValueRule)")
                        continue
                    }
                    part.symbols[key] = text
                }
            default:
                fault(part: index, String(name.prefix(64)), "it has deck or deck_base64, name, correlator and symbols.")
            }
        }
        if deck == nil { fault(part: index, "deck", "the member is missing.") }
        part.deck = deck ?? []
        return part
    }

    private mutating func takeNotify(_ value: JSONValue) {
        if let url = value.string { return takeNotify(url, events: nil, secret: nil, from: .json) }
        guard let members = value.members, let url = value["url"]?.string else {
            return fault("notify", "it must be a URL, or {url, events, secret}, or a list of them.", .json)
        }
        for member in members where !["url", "events", "secret"].contains(member.name) {
            fault("notify.\(member.name.prefix(64))", "there is no such member.", .json)
        }
        if let given = value["events"], given.elements?.isEmpty ?? true {
            return fault("notify.events", "it must be a list of types of events.", .json)
        }
        if let given = value["secret"], given.string == nil {
            return fault("notify.secret", "it must be a string.", .json)
        }
        let events = value["events"]?.elements?.map { $0.string ?? "" }
        takeNotify(url, events: events, secret: value["secret"]?.string, from: .json)
    }
}
