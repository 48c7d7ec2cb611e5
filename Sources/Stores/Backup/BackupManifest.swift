package import Jobs
import Wire

/// What a backup holds, to the octet: `manifest.json` in its folder, written last.
package struct BackupManifest: Equatable, Sendable {
    package struct File: Equatable, Sendable {
        /// From the backup's folder.
        package let path: String
        package let octets: Int
        package let hash: ContentHash
    }

    package var madeAt: Timestamp
    /// The backup is the store as it was after this event.
    package var lastEvent: Int64
    package var jobs: Int
    package var files: [File]
    /// Bodies that the store itself no longer has, or has damaged: the backup cannot have them either.
    package var lacking: [ContentHash]

    static let fileName = "manifest.json"
    private static let format: Int64 = 1

    var bytes: [UInt8] {
        var json = JSONWriter(capacity: 256 + files.count * 160)
        json.beginObject()
        json.key("format")
        json.int(Self.format)
        json.key("made_at")
        json.string(madeAt.rfc3339)
        json.key("last_event")
        json.int(lastEvent)
        json.key("jobs")
        json.int(jobs)
        json.key("files")
        json.beginArray()
        for file in files {
            json.beginObject()
            json.key("path")
            json.string(file.path)
            json.key("octets")
            json.int(file.octets)
            json.key("sha256")
            json.string(file.hash.hex)
            json.endObject()
        }
        json.endArray()
        json.key("lacking")
        json.beginArray()
        for hash in lacking { json.string(hash.hex) }
        json.endArray()
        json.endObject()
        return json.bytes + [0x0A]
    }

    init(madeAt: Timestamp, lastEvent: Int64, jobs: Int, files: [File], lacking: [ContentHash]) {
        self.madeAt = madeAt
        self.lastEvent = lastEvent
        self.jobs = jobs
        self.files = files
        self.lacking = lacking
    }

    init(parsing octets: [UInt8]) throws(BackupError) {
        guard let json = try? JSONValue(parsing: octets) else { throw BackupError("manifest.json is no JSON") }
        guard json["format"]?.int == Self.format else {
            throw BackupError("manifest.json is of a format that this version does not know")
        }
        guard let time = json["made_at"]?.string.flatMap({ Timestamp(rfc3339: $0) }),
            let lastEvent = json["last_event"]?.int, let jobs = json["jobs"]?.int.flatMap({ Int(exactly: $0) }),
            let listed = json["files"]?.elements, let lacking = json["lacking"]?.elements
        else { throw BackupError("manifest.json lacks a member") }
        madeAt = time
        self.lastEvent = lastEvent
        self.jobs = jobs
        files = []
        for file in listed {
            guard let path = file["path"]?.string, let octets = file["octets"]?.int.flatMap({ Int(exactly: $0) }),
                let hash = file["sha256"]?.string.flatMap({ ContentHash(hex: $0) }),
                // Only below the backup's folder.
                !path.hasPrefix("/"), !path.split(separator: "/").contains("..")
            else { throw BackupError("manifest.json has a file that cannot be") }
            files.append(File(path: path, octets: octets, hash: hash))
        }
        self.lacking = []
        for entry in lacking {
            guard let hash = entry.string.flatMap({ ContentHash(hex: $0) }) else {
                throw BackupError("manifest.json has a hash that is none")
            }
            self.lacking.append(hash)
        }
    }
}

/// For the operator.
package struct BackupError: Error, Equatable, CustomStringConvertible {
    package let description: String
    init(_ words: String) { description = words }
}
