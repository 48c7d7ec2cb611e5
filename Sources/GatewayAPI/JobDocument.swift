import HTTPCore
import Jobs
import Synchronization
import Wire

/// Writes jobs as the API shows them.
enum JobDocument {
    /// - Parameters:
    ///   - files: nil for the short form of lists.
    ///   - effect: what an action did.
    ///   - position: of a queued job, in the line for its host.
    ///   - attempt: of an uncertain job, the one that nobody knows the end of.
    ///   - damage: what of it is stored damaged.
    static func write(
        _ job: Job, files: [SpoolFile]?, effect: String? = nil, position: Int? = nil, attempt: Attempt? = nil,
        damage: [String] = [], to json: inout JSONWriter
    ) {
        let id = job.id.description
        json.beginObject()
        json.member("id", id)
        json.member("host", job.host.description)
        json.member("name", job.name?.description)
        json.member("host_job", job.hostJob?.description)
        json.member("owner", job.owner.description)
        json.member("state", job.state.rawValue)
        json.member("reason", job.reason)
        json.member("position", position)
        if let outcome = job.outcome {
            json.key("outcome")
            outcome.write(to: &json)
        }
        json.member("effect", effect)
        if let attempt {
            json.key("uncertain")
            write(attempt, to: &json)
        }
        writeTimes(job, to: &json)
        json.member("cancel_effect", job.cancelEffect?.rawValue)
        if let timeout = job.timeout {
            json.member("timeout", Int(timeout.components.seconds))
        }
        json.member("priority", job.priority)
        json.member("correlator", job.correlator)
        if !job.labels.isEmpty {
            json.key("labels")
            json.beginObject()
            for label in job.labels {
                json.key(label.key)
                json.string(label.value)
            }
            json.endObject()
        }
        json.member("on_uncertain", job.uncertainPolicy.rawValue)
        json.key("deck")
        json.beginObject()
        json.member("octets", job.deck.octets)
        json.member("cards", job.deck.cards)
        json.member("sha256", job.deck.hash.hex)
        json.member("form", job.deck.form.rawValue)
        json.endObject()
        json.member("batch", job.batch?.description)
        if let origin = job.origin {
            json.member("request_id", origin.requestID)
            json.member("traceparent", origin.trace.parent)
        }
        json.member("attempts", job.attempts)
        json.member("output_count", job.outputs)
        json.member("version", job.version)
        if let files {
            json.key("outputs")
            json.beginArray()
            for file in files { write(file, to: &json) }
            json.endArray()
        }
        if !damage.isEmpty {
            json.key("damaged")
            json.beginArray()
            for what in damage { json.string(what) }
            json.endArray()
        }
        writeLinks(id, to: &json)
        json.endObject()
    }

    /// The members that `fields=` can name.
    static let fields: Set<String> = [
        "id", "host", "name", "host_job", "owner", "state", "reason", "outcome", "created_at", "changed_at",
        "submitted_at", "started_at", "ended_at", "not_before", "not_after", "cancel_requested_at", "cancel_effect",
        "timeout", "priority", "correlator", "labels", "on_uncertain", "deck", "attempts", "output_count", "version",
        "outputs", "damaged", "links", "batch",
        "request_id", "traceparent",
    ]

    static func bytes(
        _ job: Job, files: [SpoolFile]?, effect: String? = nil, position: Int? = nil, attempt: Attempt? = nil,
        damage: [String] = []
    ) -> [UInt8] {
        var json = JSONWriter(capacity: 1024)
        write(
            job, files: files, effect: effect, position: position, attempt: attempt, damage: damage, to: &json)
        return json.bytes
    }

    private static func writeTimes(_ job: Job, to json: inout JSONWriter) {
        json.member("created_at", job.createdAt.rfc3339)
        json.member("changed_at", job.changedAt.rfc3339)
        json.member("submitted_at", job.submittedAt?.rfc3339)
        json.member("started_at", job.startedAt?.rfc3339)
        json.member("ended_at", job.endedAt?.rfc3339)
        json.member("not_before", job.notBefore?.rfc3339)
        json.member("not_after", job.notAfter?.rfc3339)
        json.member("cancel_requested_at", job.cancelRequestedAt?.rfc3339)
    }

    private static func writeLinks(_ id: String, to json: inout JSONWriter) {
        let job = "/v1/jobs/" + id
        json.key("links")
        json.beginObject()
        json.member("self", job)
        json.member("outputs", job + "/outputs")
        json.member("output", job + "/output")
        json.member("deck", job + "/deck")
        json.member("events", job + "/events")
        json.member("deliveries", job + "/deliveries")
        json.member("trace", job + "/trace")
        json.endObject()
    }

    static func write(_ file: SpoolFile, to json: inout JSONWriter) {
        json.beginObject()
        json.member("number", file.number)
        json.member("kind", file.kind.rawValue)
        json.member("step", file.step)
        json.member("dd", file.ddName)
        json.member("class", file.sysoutClass)
        json.member("forms", file.forms)
        json.member("records", file.records)
        json.member("octets", file.octets)
        if file.textOctets >= 0 {
            json.member("text_octets", file.textOctets)
        }
        json.member("sha256", file.hash.hex)
        json.member("cc", file.carriageControl.rawValue)
        if file.condition != .sound {
            json.member("condition", file.condition.rawValue)
        }
        json.member("code", file.code)
        json.key("links")
        json.beginObject()
        json.member("self", "/v1/jobs/\(file.job)/outputs/\(file.number)")
        json.endObject()
        json.endObject()
    }

    /// An output that is still being taken from its host.
    static func write(growing file: OutputFile, of job: Job, to json: inout JSONWriter) {
        json.beginObject()
        json.member("number", file.number)
        json.member("kind", file.kind.rawValue)
        json.member("step", file.step)
        json.member("dd", file.ddName)
        json.key("growing")
        json.bool(true)
        json.member("records", file.records)
        json.member("octets", file.octets)
        json.member("text_octets", file.textOctets)
        json.member("cc", file.control.rawValue)
        json.member("code", file.code)
        json.key("links")
        json.beginObject()
        json.member("self", "/v1/jobs/\(job.id)/outputs/\(file.number)")
        json.endObject()
        json.endObject()
    }

    /// The strong tag of the document: the version, and for a queued job what changes without one.
    static func tag(_ job: Job, position: Int? = nil) -> String {
        guard job.state == .queued, position != nil else { return "\"\(job.version)-\(job.outputs)\"" }
        var hash: UInt32 = 2_166_136_261  // FNV-1a
        for octet in "\(position ?? 0) \(job.reason ?? "")".utf8 { hash = (hash ^ UInt32(octet)) &* 16_777_619 }
        return "\"\(job.version)-\(job.outputs)-q\(String(hash, radix: 16))\""
    }

    /// A tag without what a change of the job does not depend on: for `If-Match`.
    static func version(inTag tag: String) -> String {
        guard let mark = tag.lastIndex(of: "-"), tag[mark...].hasPrefix("-q") else { return tag }
        return tag[..<mark] + "\""
    }

    /// One line for a client that takes text: ID, state and how it ended or what it waits for.
    static func line(_ job: Job) -> String {
        let words = job.outcome?.text ?? job.reason
        return "\(job.id) \(job.state.rawValue)" + (words.map { " \(oneLine($0))" } ?? "") + "\n"
    }

    /// `rc=0004`, `abend=S0C7`, or the kind.
    static func outcomeField(_ outcome: Outcome) -> String {
        switch outcome.kind {
        case .ok:
            guard let code = outcome.returnCode else { return "ok" }
            let digits = String(code)
            return "rc=" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        case .abend: return "abend" + (outcome.abend.map { "=" + fieldText($0) } ?? "")
        case .jclError, .canceled, .lost, .rejected: return outcome.kind.rawValue
        }
    }
}

/// Printable ASCII only.
func fieldText(_ text: String) -> String {
    String(decoding: text.utf8.map { (0x20...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)
}

func oneLine(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 ? " " : $0 }))
}

/// The documents of ended jobs, which do not change any more: so that asking for one reads no file list.
final class DocumentCache: Sendable {
    private struct Entry: Sendable {
        let version: Int
        let bytes: [UInt8]
    }

    private struct State {
        var young: [JobID: Entry] = [:]
        var old: [JobID: Entry] = [:]
    }

    /// Documents of one generation; two are kept.
    static let mostYoung = 2048
    private let state = Mutex(State())

    func document(of job: Job) -> [UInt8]? {
        state.withLock { state in
            guard let entry = state.young[job.id] ?? state.old[job.id], entry.version == job.version else { return nil }
            return entry.bytes
        }
    }

    func keep(_ bytes: [UInt8], of job: Job) {
        guard job.state.isFinal, bytes.count <= 16 * 1024 else { return }
        state.withLock { state in
            if state.young.count >= Self.mostYoung {
                state.old = state.young
                state.young = [:]
            }
            state.young[job.id] = Entry(version: job.version, bytes: bytes)
        }
    }
}
