package import Jobs
package import Wire

/// Output that a host pushed and that matched no job: kept, listed, and claimed for a job or removed by somebody.
package protocol UnclaimedStore: AnyObject, Sendable {
    /// Keeps a stream. The staged body belongs to the store afterwards. `stream.number` is not looked at.
    func keepUnclaimed(_ stream: UnclaimedStream, body: StagedBody) async throws(StoreError) -> UnclaimedStream

    /// A page, newest first, at most `limit`, with numbers below `before`; of one host only when one is given.
    func unclaimed(on host: HostID?, before: Int64?, limit: Int) async throws(StoreError) -> [UnclaimedStream]

    /// nil: there is none, or no longer.
    func unclaimed(_ number: Int64) async throws(StoreError) -> UnclaimedStream?
    func unclaimedBody(_ number: Int64) async throws(StoreError) -> (any BodyReader)?

    /// Makes a stream the next output file of a job, in one commit, and drops it from the list.
    ///
    /// - Returns: the job as committed; nil when there is no such stream.
    /// - Throws: `.noSuchJob`.
    func claim(_ number: Int64, for job: JobID, at time: Timestamp, audit: AuditEntry?) async throws(StoreError) -> Job?

    /// - Returns: false when there was none.
    func removeUnclaimed(_ number: Int64, audit: AuditEntry?) async throws(StoreError) -> Bool

    /// How many there are, by host.
    func unclaimedCounts() async throws(StoreError) -> [HostID: Int]
}

package struct UnclaimedStream: Equatable, Sendable {
    /// Ours, from 1, never given twice.
    package var number: Int64
    package var host: HostID
    package var at: Timestamp
    /// As the host names it, as far as it did.
    package var name: JobName?
    package var hostJob: JobNumber?
    package var header: String?
    /// Why it matched no job, for people.
    package var reason: String
    package var kind: SpoolFile.Kind
    package var carriageControl: CarriageControl
    package var code: String
    package var recordLength: Int
    package var records: Int
    package var octets: Int
    package var textOctets: Int
    package var textHash: ContentHash?
    package var hash: ContentHash

    package init(
        number: Int64 = 0, host: HostID, at: Timestamp, name: JobName? = nil, hostJob: JobNumber? = nil,
        header: String? = nil, reason: String, kind: SpoolFile.Kind, carriageControl: CarriageControl, code: String,
        recordLength: Int, records: Int, octets: Int, textOctets: Int, textHash: ContentHash? = nil, hash: ContentHash
    ) {
        self.number = number
        self.host = host
        self.at = at
        self.name = name
        self.hostJob = hostJob
        self.header = header
        self.reason = reason
        self.kind = kind
        self.carriageControl = carriageControl
        self.code = code
        self.recordLength = recordLength
        self.records = records
        self.octets = octets
        self.textOctets = textOctets
        self.textHash = textHash
        self.hash = hash
    }

    /// As a file of a job.
    package func file(_ number: Int, of job: JobID) -> SpoolFile {
        SpoolFile(
            job: job, number: number, kind: kind, carriageControl: carriageControl, code: code,
            recordLength: recordLength, records: records, octets: octets, textOctets: textOctets,
            textHash: textHash, hash: hash)
    }
}
