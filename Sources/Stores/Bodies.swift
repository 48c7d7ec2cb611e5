package import Jobs

/// A body that is complete and durable but not yet named by a commit.
package struct StagedBody: Sendable {
    package let hash: ContentHash
    package let octets: Int
    package let content: Content
    /// Keeps a file from being removed until a commit names it, and lets it go when none ever does.
    package let hold: BodyHold?

    package enum Content: Equatable, Sendable {
        /// At most `StagedBody.mostInlineOctets`.
        case inline([UInt8])
        /// A file in the spool folder, named by its hash, fsynced.
        case file
    }

    /// Larger bodies are files beside the database.
    package static let mostInlineOctets = 64 * 1024

    package init(hash: ContentHash, octets: Int, content: Content, hold: BodyHold? = nil) {
        self.hash = hash
        self.octets = octets
        self.content = content
        self.hold = hold
    }

    /// A small body that is at hand as a whole.
    package static func inline(_ octets: [UInt8]) -> StagedBody {
        StagedBody(hash: ContentHash(of: octets), octets: octets.count, content: .inline(octets))
    }
}

extension StagedBody: Equatable {
    package static func == (left: StagedBody, right: StagedBody) -> Bool {
        left.hash == right.hash && left.octets == right.octets && left.content == right.content
    }
}

/// As long as it lives, the body it was made for is not removed, whatever becomes of other jobs with the same one.
package final class BodyHold: Sendable {
    private let letGo: @Sendable () -> Void
    package init(letGo: @escaping @Sendable () -> Void) { self.letGo = letGo }
    deinit { letGo() }
}

/// Takes a body piece by piece. One user at a time; dropped without `finish` it leaves at most a temporary file.
package protocol BodyWriter: AnyObject, Sendable {
    /// Octets taken so far, those of an earlier run included.
    var octets: Int { get }
    func append(_ piece: [UInt8]) async throws(StoreError)
    /// Makes what was appended durable, so that `resumeSpoolFile` finds it after a crash. Only for spool files.
    func checkpoint() async throws(StoreError)
    /// Reads what it holds, for renderings that begin anew after a resume.
    func read(from offset: Int, count: Int) async throws(StoreError) -> [UInt8]
    /// Hashes, fsyncs, renames, fsyncs the folder.
    func finish() async throws(StoreError) -> StagedBody
    func discard() async
}

/// Reads a stored body. `read` never blocks an event loop; the hash is checked when the body was read once from start to end, and
/// for inline bodies at once.
package protocol BodyReader: AnyObject, Sendable {
    var octets: Int { get }
    var hash: ContentHash { get }
    /// - Returns: up to `count` octets, fewer only at the end; empty at or beyond the end.
    /// - Throws: `.corrupt` when the body is shorter than recorded or fails its hash.
    func read(from offset: Int, count: Int) async throws(StoreError) -> [UInt8]
}
