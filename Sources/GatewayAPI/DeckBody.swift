import Crypto
import Engine
import HTTPCore
import Jobs
import Wire

/// Takes a submission's body, in any of its forms, as one deck and its options.
///
/// The body is a deck as UTF-8 text whatever its media type says, as `curl -T` and `--data-binary` send it, unless the type is JSON or
/// a form. Card images must be announced by `form=cards`: their octets cannot be told from text with certainty.
struct DeckBody {
    let gateway: Gateway
    let request: Request
    let caller: Caller
    var fields: SubmitFields
    /// Warnings are faults.
    var isStrict = false
    /// Nothing is stored.
    var isDryRun = false

    /// Options that came with the deck are judged before the deck becomes durable: a refused request leaves nothing behind.
    func checkOptions() throws(Problem) {
        var check = fields
        _ = try check.options(for: caller, gateway.settings)
    }

    struct Taken {
        /// At least one.
        let decks: [BatchPart]
        /// They are answered as a batch, even when it is one.
        let isBatch: Bool
        let host: HostProfile
        /// How the body was read, for the fingerprint.
        let mediaType: String
    }

    mutating func deckOptions() -> DeckOptions {
        fields.deckOptions(for: caller, isStrict: isStrict, isDryRun: isDryRun)
    }

    mutating func take(_ body: RequestBody) async throws -> Taken {
        let type = request.contentType
        switch type {
        case MediaTypes.json: return try await takeJSON(body)
        case "multipart/form-data": return try await takeForm(body)
        default: return try await takeDeck(body, type ?? "")
        }
    }

    // MARK: the body is the deck

    private mutating func takeDeck(_ body: RequestBody, _ type: String) async throws -> Taken {
        let host = try gateway.host(named: fields.host, for: caller)
        try checkCharset()
        if let length = body.length, length > host.mostDeckOctets {
            throw DeckIntake.Failure.tooLarge(limit: host.mostDeckOctets)
        }
        let options = deckOptions()
        let form = options.form
        let intake = try gateway.desk.intake(for: host, options: options)
        var digest = try ContentDigest(request["content-digest"])
        var hasLineFeed = false
        do {
            while let piece = try await body.next() {
                hasLineFeed = hasLineFeed || piece.contains(0x0A)
                digest?.update(piece)
                try await intake.append(piece)
            }
            if form == .text, !hasLineFeed { try checkLineFeeds(type, isEmpty: body.length == 0) }
            try digest?.check()
        } catch {
            await intake.discard()
            throw error
        }
        let decks = try await intake.finishAll().map { BatchPart(deck: $0) }
        return Taken(decks: decks, isBatch: options.splits, host: host, mediaType: type)
    }

    private func checkCharset() throws(Problem) {
        guard let field = request["content-type"], let charset = MediaType.parameter("charset", of: field)?.lowercased()
        else { return }
        guard ["utf-8", "utf8", "us-ascii"].contains(charset) else {
            throw Problem(
                .unsupportedMediaType,
                "Decks are taken in UTF-8, not in \(charset.prefix(40)); convert it: iconv -f \(charset.prefix(40)) -t utf-8.",
                fields: ["Accept-Post": Self.taken])
        }
    }

    private static let taken = "text/plain, application/octet-stream, application/json, multipart/form-data"

    private func checkLineFeeds(_ type: String, isEmpty: Bool) throws(Problem) {
        if isEmpty { return }
        if type == "application/x-www-form-urlencoded" {
            throw Problem(
                .unsupportedMediaType,
                "The deck has no line ends: curl -d removes them. Send it with -T deck.jcl or --data-binary @deck.jcl.",
                fields: ["Accept-Post": Self.taken])
        }
        if type == MediaTypes.octets {
            throw Problem(
                .invalidDeck,
                "The deck has no line ends; if it is card images of 80 octets in the host's code, say so with ?form=cards.",
                errors: [.init(line: 1, column: 1, code: "no-line-ends", detail: "No line feed in the deck.")])
        }
    }

    // MARK: forms

    /// The part of a form that is being read.
    private enum Part {
        case none
        case deck
        case option(String, [UInt8])
    }

    private static let longestOption = 4096

    private mutating func takeForm(_ body: RequestBody) async throws -> Taken {
        var parser = try MultipartParser(contentType: request["content-type"] ?? "")
        var deck = FormDeck(gateway: gateway, caller: caller, isStrict: isStrict, isDryRun: isDryRun)
        var part = Part.none
        do {
            while let piece = try await body.next() {
                parser.append(piece)
                while let event = try parser.next() {
                    try await take(event, &part, &deck)
                }
            }
            try parser.finish()
            try checkOptions()
            let (decks, host) = try await deck.finish(fields)
            return Taken(
                decks: decks.map { BatchPart(deck: $0) }, isBatch: deckOptions().splits, host: host,
                mediaType: "multipart/form-data")
        } catch {
            await deck.intake?.discard()
            throw error
        }
    }

    private mutating func take(
        _ event: MultipartParser.Event, _ part: inout Part, _ deck: inout FormDeck
    ) async throws {
        switch event {
        case .part(let begun):
            if begun.name == "deck" || begun.name == "file" {
                try await deck.begin(fields)
                part = .deck
            } else if SubmitFields.knows(begun.name) {
                part = .option(begun.name, [])
            } else {
                throw Problem(
                    .invalidField, "There is no form field \"\(begun.name.prefix(64))\"; the deck's is deck.",
                    errors: [.init(code: "unknown-field", detail: "Unknown field \"\(begun.name.prefix(64))\".")])
            }
        case .data(let data):
            switch part {
            case .none: break
            case .deck: try await deck.append(data)
            case .option(let name, let text):
                guard text.count + data.count <= Self.longestOption else {
                    throw Problem(.invalidField, "The form field \(name) is longer than \(Self.longestOption) octets.")
                }
                part = .option(name, text + data)
            }
        case .partEnd:
            if case .option(let name, let octets) = part {
                guard let text = String(validating: octets, as: UTF8.self) else {
                    throw Problem(.invalidField, "The form field \(name) is not UTF-8.")
                }
                fields.take(name, text, from: .form)
            }
            part = .none
        case .end: break
        }
    }
}

/// The deck in a form. Before the host is known it is held in memory, up to a limit.
private struct FormDeck {
    let gateway: Gateway
    private let caller: Caller
    private let isStrict: Bool
    private let isDryRun: Bool
    private(set) var intake: DeckIntake?
    private var host: HostProfile?
    private var held: [UInt8] = []
    private var options = DeckOptions()
    private var isThere = false

    init(gateway: Gateway, caller: Caller, isStrict: Bool, isDryRun: Bool) {
        self.gateway = gateway
        self.caller = caller
        self.isStrict = isStrict
        self.isDryRun = isDryRun
    }

    mutating func begin(_ fields: SubmitFields) async throws {
        guard !isThere else { throw Problem(.invalidField, "The form has two decks; one request is one job.") }
        isThere = true
        if fields.host != nil || gateway.hosts(for: caller).count == 1 { try await open(fields) }
    }

    private func options(_ fields: SubmitFields) -> DeckOptions {
        var fields = fields
        return fields.deckOptions(for: caller, isStrict: isStrict, isDryRun: isDryRun)
    }

    private mutating func open(_ fields: SubmitFields) async throws {
        let host = try gateway.host(named: fields.host, for: caller)
        self.host = host
        options = options(fields)
        intake = try gateway.desk.intake(for: host, options: options)
        if !held.isEmpty { try await intake?.append(held) }
        held = []
    }

    mutating func append(_ data: [UInt8]) async throws {
        if let intake { return try await intake.append(data) }
        guard held.count + data.count <= gateway.settings.mostHeldDeckOctets else {
            throw Problem(
                .contentTooLarge,
                "A deck of more than \(gateway.settings.mostHeldDeckOctets) octets must follow the field host in the form."
            )
        }
        held += data
    }

    mutating func finish(_ fields: SubmitFields) async throws -> ([DeckIntake.Taken], HostProfile) {
        guard isThere else {
            throw Problem(
                .invalidField, "The form has no deck: -F deck=@job.jcl.",
                errors: [.init(code: "missing-deck", detail: "The field deck is missing.")])
        }
        if intake == nil { try await open(fields) }
        guard let intake, let host else { throw Problem(.internalError, "The deck was not taken.") }
        let named = try gateway.host(named: fields.host, for: caller)
        var last = options(fields)
        // The name goes into the deck only as a symbol.
        if host.decks == DeckCustoms(controlCards: host.decks.controlCards) { last.name = options.name }
        guard options == last else {
            throw Problem(
                .invalidField,
                "What says how the deck is to be read (form, split, template, symbols, tabs, cards) must stand before the deck in the form."
            )
        }
        guard named.id == host.id else { throw Problem(.invalidField, "The form names two hosts.") }
        return (try await intake.finishAll(), host)
    }
}

/// `Content-Digest` (RFC 9530), as far as it is SHA-256; other algorithms are not checked.
struct ContentDigest {
    private let expected: [UInt8]
    private var hash = SHA256()

    /// - Returns: nil without a digest that can be checked.
    init?(_ field: String?) throws(Problem) {
        guard let field else { return nil }
        for item in QuotedList.split(field, at: ",").map({ QuotedList.trim($0) }) {
            guard item.lowercased().hasPrefix("sha-256=") else { continue }
            let value = item.dropFirst("sha-256=".count)
            guard value.hasPrefix(":"), value.hasSuffix(":"), value.count > 2,
                let octets = Base64.decode(value.dropFirst().dropLast()), octets.count == 32
            else { throw Problem(.malformedRequest, "Content-Digest is malformed; it reads sha-256=:BASE64:") }
            expected = octets
            return
        }
        return nil
    }

    mutating func update(_ octets: [UInt8]) { hash.update(data: octets) }

    func check() throws(Problem) {
        guard Array(hash.finalize()) == expected else {
            throw Problem(.digestMismatch, "The body does not match its Content-Digest; it was damaged on the way.")
        }
    }
}
