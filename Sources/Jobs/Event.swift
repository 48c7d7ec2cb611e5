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
        json.key("type")
        json.string(type(entering: job.state))
        json.key("timestamp")
        json.string(job.changedAt.rfc3339)
        json.key("data")
        json.beginObject()
        json.key("id")
        json.string(job.id.description)
        json.key("host")
        json.string(job.host.description)
        json.key("owner")
        json.string(job.owner.description)
        if let name = job.name {
            json.key("name")
            json.string(name.description)
        }
        if let number = job.hostJob {
            json.key("host_job")
            json.string(number.description)
        }
        if let correlator = job.correlator {
            json.key("correlator")
            json.string(correlator)
        }
        json.key("state")
        json.string(job.state.rawValue)
        if let previous {
            json.key("previous_state")
            json.string(previous.rawValue)
        }
        if let reason = job.reason {
            json.key("reason")
            json.string(reason)
        }
        if let effect = job.cancelEffect {
            json.key("cancel_effect")
            json.string(effect.rawValue)
        }
        json.key("version")
        json.int(job.version)
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
        json.key("deck_sha256")
        json.string(job.deck.hash.hex)
        if !files.isEmpty {
            json.key("outputs")
            json.beginArray()
            for file in files {
                json.beginObject()
                json.key("number")
                json.int(file.number)
                json.key("kind")
                json.string(file.kind.rawValue)
                if let ddName = file.ddName {
                    json.key("dd")
                    json.string(ddName)
                }
                json.key("records")
                json.int(file.records)
                json.key("octets")
                json.int(file.octets)
                json.key("sha256")
                json.string(file.hash.hex)
                json.endObject()
            }
            json.endArray()
        }
        json.key("links")
        json.beginObject()
        json.key("job")
        json.string("/v1/jobs/\(job.id)")
        json.key("outputs")
        json.string("/v1/jobs/\(job.id)/outputs")
        json.endObject()
        json.endObject()
        json.endObject()
        return json.bytes
    }

    /// `host.up`, `host.down`, `host.message`.
    package static func host(_ type: String, host: HostID, words: String?, at time: Timestamp) -> [UInt8] {
        var json = JSONWriter(capacity: 256)
        json.beginObject()
        json.key("type")
        json.string(type)
        json.key("timestamp")
        json.string(time.rfc3339)
        json.key("data")
        json.beginObject()
        json.key("host")
        json.string(host.description)
        if let words {
            json.key("detail")
            json.string(words)
        }
        json.endObject()
        json.endObject()
        return json.bytes
    }
}

extension Outcome {
    package func write(to json: inout JSONWriter) {
        json.beginObject()
        json.key("kind")
        json.string(kind.rawValue)
        if let returnCode {
            json.key("return_code")
            json.int(returnCode)
        }
        if let abend {
            json.key("abend")
            json.string(abend)
        }
        json.key("text")
        json.string(text)
        if let matchedBy {
            json.key("matched_by")
            json.string(matchedBy)
        }
        json.endObject()
    }
}
