import Engine
import HTTPCore
import Jobs
import Stores
import Wire

/// Which of a job's two decks, where they differ.
private enum DeckChoice: String, CaseIterable { case sent, submitted }

extension Gateway {
    func getDeck(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .outputsRead)
        let query = try QueryReader(request, names: ["as"])
        let choice: DeckChoice = try query.choice("as") ?? .sent
        let job = try await job(request, caller)
        let type = job.deck.form == .text ? MediaTypes.utf8Text : MediaTypes.octets
        var fields: Fields = ["Cache-Control": "no-cache", "Vary": "Accept-Encoding, Authorization"]
        fields.add(OutputFields.sandbox)
        let body: any BodyReader
        if choice == .submitted, let deck = try await desk.store.submittedDeck(of: job.id) {
            guard let content = deck.content else {
                throw Problem(
                    .purged, "The deck was changed on its way in, and was too long to be kept as it was submitted.",
                    job: "/v1/jobs/\(job.id)")
            }
            body = KeptBody(content, hash: deck.hash)
        } else {
            body = try await desk.store.deck(of: job.id)
        }
        let source = OutputSource(
            parts: [.init(prefix: [], length: body.octets, slice: OutputSlice(OutputFile(deck: body)), renderer: nil)],
            tag: EntityTag("\(body.hash.hex)-deck"), contentType: type, digest: body.hash)
        return try await source.answer(request, fields: fields, settings)
    }

    // MARK: the dry run

    /// The checks of a submission, with nothing stored: 200 whatever they find.
    func validate(_ request: Request, _ body: RequestBody) async throws -> Response {
        let caller = try caller(of: request, for: .jobsSubmit)
        let query = try QueryReader(
            request, names: Self.submitParameters.subtracting(["until"]), repeatable: ["notify"], labels: true,
            symbols: true)
        let type = try request.negotiate([MediaTypes.json, MediaTypes.text])
        var fields = SubmitFields()
        for item in query.parameters.items { fields.take(item.name, item.value, from: .query) }
        if let secret = request["notify-secret"] { fields.take(NotifyFields.secretName, secret, from: .header) }
        var check = fields
        _ = try check.options(for: caller, settings)
        var reader = DeckBody(
            gateway: self, request: request, caller: caller, fields: fields, isStrict: request.preferences.isStrict,
            isDryRun: true)
        var answer = Validation()
        do {
            let taken = try await reader.take(body)
            answer.host = taken.host
            answer.decks = taken.decks
            answer.found = DeckFaults(
                errors: [],
                warnings: taken.decks.enumerated().flatMap { index, part in
                    part.deck.warnings.map {
                        Problem.Item($0, pointer: reader.fields.hasParts ? "/parts/\(index)/deck" : nil)
                    }
                })
            do {
                let octets = taken.decks.reduce(0) { $0 + $1.deck.summary.octets }
                try desk.checkRoom(for: caller.owner, on: taken.host, octets: octets)
            } catch {
                let full = Problem(error)
                answer.found.warnings.append(.init(code: full.kind.slug, detail: full.detail))
            }
        } catch let failure as DeckIntake.Failure {
            guard let found = DeckFaults(failure) else { throw failure }
            answer.found = found
        } catch let found as DeckFaults {
            answer.found = found
        }
        if answer.host == nil { answer.host = try? host(named: reader.fields.host, for: caller) }
        var headers: Fields = ["Cache-Control": "no-store", "Vary": "Accept, Prefer"]
        if request.preferences.isStrict { headers.add("Preference-Applied", "handling=strict") }
        guard type == MediaTypes.text else { return .json(answer.json, fields: headers) }
        return Response(contentType: MediaTypes.utf8Text, fields: headers, body: .bytes(Array(answer.text.utf8)))
    }
}

/// What a dry run found.
private struct Validation {
    var host: HostProfile?
    var decks: [BatchPart] = []
    var found = DeckFaults(errors: [])

    var json: [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.key("valid")
        json.bool(found.errors.isEmpty)
        if let host {
            json.key("host")
            json.string(host.id.description)
        }
        for (name, items) in [("errors", found.errors), ("warnings", found.warnings)] {
            json.key(name)
            json.beginArray()
            for item in items { item.write(&json) }
            json.endArray()
        }
        json.key("jobs")
        json.beginArray()
        for part in decks { write(part, to: &json) }
        json.endArray()
        json.endObject()
        return json.bytes
    }

    private func write(_ part: BatchPart, to json: inout JSONWriter) {
        let deck = part.deck
        json.beginObject()
        json.key("name")
        json.string((part.name ?? deck.name).description)
        json.key("line")
        json.int(deck.firstLine)
        json.key("cards")
        json.int(deck.summary.cards)
        json.key("octets")
        json.int(deck.summary.octets)
        json.key("sha256")
        json.string(deck.summary.hash.hex)
        json.key("template")
        json.bool(deck.hasTemplate)
        json.key("changed")
        json.bool(deck.original != nil)
        json.endObject()
    }

    /// As compilers write it.
    var text: String {
        func lines(_ items: [Problem.Item], _ kind: String) -> String {
            items.map { item in
                let place =
                    (item.pointer.map { "\($0):" } ?? "") + (item.line.map { "\($0):\(item.column ?? 1): " } ?? "")
                return oneLine("\(place)\(kind): \(item.detail) [\(item.code)]") + "\n"
            }.joined()
        }
        let good = decks.map { part in
            "\((part.name ?? part.deck.name)): \(part.deck.summary.cards) cards, \(part.deck.summary.octets) octets\n"
        }
        return lines(found.errors, "error") + lines(found.warnings, "warning") + good.joined()
    }
}

/// A body that was read already.
private final class KeptBody: BodyReader {
    private let content: [UInt8]
    let hash: ContentHash
    var octets: Int { content.count }

    init(_ content: [UInt8], hash: ContentHash) {
        self.content = content
        self.hash = hash
    }

    func read(from offset: Int, count: Int) async throws(StoreError) -> [UInt8] {
        let start = min(max(0, offset), content.count)
        return Array(content[start..<min(content.count, start + max(0, count))])
    }
}
