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
        json.key("id")
        json.string(id)
        json.key("host")
        json.string(job.host.description)
        if let name = job.name {
            json.key("name")
            json.string(name.description)
        }
        if let number = job.hostJob {
            json.key("host_job")
            json.string(number.description)
        }
        json.key("owner")
        json.string(job.owner.description)
        json.key("state")
        json.string(job.state.rawValue)
        if let reason = job.reason {
            json.key("reason")
            json.string(reason)
        }
        if let position {
            json.key("position")
            json.int(position)
        }
        if let outcome = job.outcome {
            json.key("outcome")
            outcome.write(to: &json)
        }
        if let effect {
            json.key("effect")
            json.string(effect)
        }
        if let attempt {
            json.key("uncertain")
            write(attempt, to: &json)
        }
        writeTimes(job, to: &json)
        if let effect = job.cancelEffect {
            json.key("cancel_effect")
            json.string(effect.rawValue)
        }
        if let timeout = job.timeout {
            json.key("timeout")
            json.int(Int(timeout.components.seconds))
        }
        json.key("priority")
        json.int(job.priority)
        if let correlator = job.correlator {
            json.key("correlator")
            json.string(correlator)
        }
        if !job.labels.isEmpty {
            json.key("labels")
            json.beginObject()
            for label in job.labels {
                json.key(label.key)
                json.string(label.value)
            }
            json.endObject()
        }
        json.key("on_uncertain")
        json.string(job.uncertainPolicy.rawValue)
        json.key("deck")
        json.beginObject()
        json.key("octets")
        json.int(job.deck.octets)
        json.key("cards")
        json.int(job.deck.cards)
        json.key("sha256")
        json.string(job.deck.hash.hex)
        json.key("form")
        json.string(job.deck.form.rawValue)
        json.endObject()
        if let batch = job.batch {
            json.key("batch")
            json.string(batch.description)
        }
        if let origin = job.origin {
            json.key("request_id")
            json.string(origin.requestID)
            json.key("traceparent")
            json.string(origin.trace.parent)
        }
        json.key("attempts")
        json.int(job.attempts)
        json.key("output_count")
        json.int(job.outputs)
        json.key("version")
        json.int(job.version)
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
        json.key("created_at")
        json.string(job.createdAt.rfc3339)
        json.key("changed_at")
        json.string(job.changedAt.rfc3339)
        if let time = job.submittedAt {
            json.key("submitted_at")
            json.string(time.rfc3339)
        }
        if let time = job.startedAt {
            json.key("started_at")
            json.string(time.rfc3339)
        }
        if let time = job.endedAt {
            json.key("ended_at")
            json.string(time.rfc3339)
        }
        if let time = job.notBefore {
            json.key("not_before")
            json.string(time.rfc3339)
        }
        if let time = job.notAfter {
            json.key("not_after")
            json.string(time.rfc3339)
        }
        if let time = job.cancelRequestedAt {
            json.key("cancel_requested_at")
            json.string(time.rfc3339)
        }
    }

    private static func writeLinks(_ id: String, to json: inout JSONWriter) {
        let job = "/v1/jobs/" + id
        json.key("links")
        json.beginObject()
        json.key("self")
        json.string(job)
        json.key("outputs")
        json.string(job + "/outputs")
        json.key("output")
        json.string(job + "/output")
        json.key("deck")
        json.string(job + "/deck")
        json.key("events")
        json.string(job + "/events")
        json.key("deliveries")
        json.string(job + "/deliveries")
        json.key("trace")
        json.string(job + "/trace")
        json.endObject()
    }

    static func write(_ file: SpoolFile, to json: inout JSONWriter) {
        json.beginObject()
        json.key("number")
        json.int(file.number)
        json.key("kind")
        json.string(file.kind.rawValue)
        if let step = file.step {
            json.key("step")
            json.string(step)
        }
        if let ddName = file.ddName {
            json.key("dd")
            json.string(ddName)
        }
        if let sysoutClass = file.sysoutClass {
            json.key("class")
            json.string(sysoutClass)
        }
        if let forms = file.forms {
            json.key("forms")
            json.string(forms)
        }
        json.key("records")
        json.int(file.records)
        json.key("octets")
        json.int(file.octets)
        if file.textOctets >= 0 {
            json.key("text_octets")
            json.int(file.textOctets)
        }
        json.key("sha256")
        json.string(file.hash.hex)
        json.key("cc")
        json.string(file.carriageControl.rawValue)
        if file.condition != .sound {
            json.key("condition")
            json.string(file.condition.rawValue)
        }
        json.key("code")
        json.string(file.code)
        json.key("links")
        json.beginObject()
        json.key("self")
        json.string("/v1/jobs/\(file.job)/outputs/\(file.number)")
        json.endObject()
        json.endObject()
    }

    /// An output that is still being taken from its host.
    static func write(growing file: OutputFile, of job: Job, to json: inout JSONWriter) {
        json.beginObject()
        json.key("number")
        json.int(file.number)
        json.key("kind")
        json.string(file.kind.rawValue)
        if let step = file.step {
            json.key("step")
            json.string(step)
        }
        if let ddName = file.ddName {
            json.key("dd")
            json.string(ddName)
        }
        json.key("growing")
        json.bool(true)
        json.key("records")
        json.int(file.records)
        json.key("octets")
        json.int(file.octets)
        json.key("text_octets")
        json.int(file.textOctets)
        json.key("cc")
        json.string(file.control.rawValue)
        json.key("code")
        json.string(file.code)
        json.key("links")
        json.beginObject()
        json.key("self")
        json.string("/v1/jobs/\(job.id)/outputs/\(file.number)")
        json.endObject()
        json.endObject()
    }

    /// Strong: version and number of outputs say which document it is.
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
