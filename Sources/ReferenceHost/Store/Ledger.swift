import Glibc
import Jobs
import Wire

/// The host's own record of what it did, one JSON object a line, kept for tests that must prove that no deck ran twice.
///
/// | event | written |
/// | --- | --- |
/// | `accepted` | the deck is safe; before the 260 goes out |
/// | `run` | as the first step begins; `rerun` is true when the host was stopped while this job ran, which is a second run of the one submission |
/// | `ended` | after the end is safe, with the hash of each output file; before anyone can see the end |
/// | `restored` | at a start, for each job found in the journal: what an earlier process may have died before writing |
final class LedgerFile: Sendable {
    private let descriptor: CInt
    private let isSynced: Bool

    /// Appends to what is there.
    init(path: String, isSynced: Bool) throws(HostFault) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .cannotOpen(path, errno) }
        self.isSynced = isSynced
    }

    deinit { close(descriptor) }

    func append(_ octets: [UInt8]) throws(Committer.Failure) {
        var written = 0
        while written < octets.count {
            let more = octets.withUnsafeBytes {
                write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if more < 0 && errno == EINTR { continue }
            guard more > 0 else { throw Committer.Failure(number: more < 0 ? errno : ENOSPC) }
            written += more
        }
    }

    func sync() throws(Committer.Failure) {
        if isSynced && fdatasync(descriptor) != 0 { throw Committer.Failure(number: errno) }
    }

    static func line(_ event: String, _ job: QueuedJob, at time: Timestamp, isRerun: Bool = false) -> [UInt8] {
        var json = JSONWriter(capacity: 320)
        json.beginObject()
        json.key("event")
        json.string(event)
        json.key("at")
        json.string(time.rfc3339)
        json.key("job")
        json.string(job.number.description)
        json.key("serial")
        json.int(Int(job.serial))
        json.key("name")
        json.string(job.name)
        json.key("user")
        json.string(job.user)
        if let key = job.key {
            json.key("key")
            json.string(key)
        }
        json.key("deck_sha256")
        json.string(job.hash.hex)
        if isRerun {
            json.key("rerun")
            json.bool(true)
        }
        if let end = job.end {
            json.key("outcome")
            json.string(end.outcome.text)
            json.key("outputs")
            json.beginArray()
            for (index, file) in job.files.enumerated() {
                json.beginObject()
                json.key("file")
                json.int(index + 1)
                json.key("kind")
                json.string(file.kind.rawValue)
                json.key("dd")
                json.string(file.ddName)
                json.key("octets")
                json.int(file.octets)
                json.key("sha256")
                json.string(file.hash.hex)
                json.endObject()
            }
            json.endArray()
        }
        json.endObject()
        return json.bytes + [0x0A]
    }
}

extension JobEnd.Outcome {
    /// `CC 0004`, `ABEND S0C7`, `JCL ERROR`, `CANCELED`, `LOST`
    var text: String {
        switch self {
        case .done(let code): "CC \(pad(code, 4))"
        case .jclError: "JCL ERROR"
        case .abend(let abend): "ABEND \(abend)"
        case .cancelled: "CANCELED"
        case .lost: "LOST"
        }
    }
}

/// Why the host cannot be started.
package enum HostFault: Error, Equatable, Sendable, CustomStringConvertible {
    case cannotOpen(String, CInt)
    /// Another process has this data folder.
    case inUse(String)
    /// The file is none of ours.
    case noJournal(String)

    package var description: String {
        switch self {
        case .cannotOpen(let path, let number): "cannot open \(path): \(String(cString: strerror(number)))"
        case .inUse(let path): "another host process uses the data folder \(path)"
        case .noJournal(let path): "\(path) is not a journal of this host"
        }
    }
}
