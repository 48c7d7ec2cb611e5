package import Wire

/// One committed fact, with its place in the one global sequence. Webhooks, streams and event lists all come from it.
package struct Event: Equatable, Sendable {
    /// From 1, without gaps, in the order of the commits.
    package let sequence: Int64
    /// `webhook-id`: the same for every delivery and try. 1-64 of A-Z a-z 0-9 _ -
    package let id: String
    /// `job.` and the state entered, or `host.up`, `host.down`, `webhook.disabled` and so on.
    package let type: String
    package let job: JobID?
    package let at: Timestamp
    /// The JSON that receivers get, to the byte; written once, in the commit.
    package let body: [UInt8]

    package init(sequence: Int64, id: String, type: String, job: JobID?, at: Timestamp, body: [UInt8]) {
        self.sequence = sequence
        self.id = id
        self.type = type
        self.job = job
        self.at = at
        self.body = body
    }
}

/// Writes event bodies: `{"type":…,"timestamp":…,"data":{…}}`, thin but with outcome and hashes, never print text,
/// deck text or credentials.
package enum EventBody {
    /// `job.` and the state.
    package static func type(entering state: JobState) -> String { "job.\(state.rawValue)" }

    /// - Parameters:
    ///   - previous: the state before, nil for a new job.
    ///   - files: the complete spool files, in order.
    package static func job(_ job: Job, previous: JobState?, files: [SpoolFile]) -> [UInt8] {
        var json = JSONWriter(capacity: 768)
        json.beginObject()
        json.member("type", type(entering: job.state))
        json.member("timestamp", job.changedAt.rfc3339)
        json.key("data")
        json.beginObject()
        json.member("id", job.id.description)
        json.member("host", job.host.description)
        json.member("owner", job.owner.description)
        json.member("name", job.name?.description)
        json.member("host_job", job.hostJob?.description)
        json.member("correlator", job.correlator)
        json.member("state", job.state.rawValue)
        json.member("previous_state", previous?.rawValue)
        json.member("reason", job.reason)
        json.member("cancel_effect", job.cancelEffect?.rawValue)
        json.member("version", job.version)
        if let outcome = job.outcome {
            json.key("outcome")
            outcome.write(to: &json)
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
        json.member("deck_sha256", job.deck.hash.hex)
        if !files.isEmpty {
            json.key("outputs")
            json.beginArray()
            for file in files {
                json.beginObject()
                json.member("number", file.number)
                json.member("kind", file.kind.rawValue)
                json.member("dd", file.ddName)
                json.member("records", file.records)
                json.member("octets", file.octets)
                json.member("sha256", file.hash.hex)
                json.endObject()
            }
            json.endArray()
        }
        json.key("links")
        json.beginObject()
        json.member("job", "/v1/jobs/\(job.id)")
        json.member("outputs", "/v1/jobs/\(job.id)/outputs")
        json.endObject()
        json.endObject()
        json.endObject()
        return json.bytes
    }

    /// `host.up`, `host.down`, `host.message`.
    package static func host(_ type: String, host: HostID, words: String?, at time: Timestamp) -> [UInt8] {
        var json = JSONWriter(capacity: 256)
        json.beginObject()
        json.member("type", type)
        json.member("timestamp", time.rfc3339)
        json.key("data")
        json.beginObject()
        json.member("host", host.description)
        json.member("detail", words)
        json.endObject()
        json.endObject()
        return json.bytes
    }
}

extension Outcome {
    package func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("kind", kind.rawValue)
        json.member("return_code", returnCode)
        json.member("abend", abend)
        json.member("text", text)
        json.member("matched_by", matchedBy)
        json.endObject()
    }
}
