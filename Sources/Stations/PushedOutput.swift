package import Jobs
package import Wire

/// What a station knows of a stream that its host pushes, when the stream begins.
package struct PushedStream: Equatable, Sendable {
    package var kind: SpoolFile.Kind
    package var carriageControl: CarriageControl
    /// As `HostFile.code`; it says the form of the octets as well: records of `recordLength` for `BINARY`, ended ones else.
    package var code: String
    package var recordLength: Int
    /// Known for certain, since the stream came where only this job's output could come.
    package var job: JobID?
    package var number: JobNumber?
    package var name: JobName?
    /// What the protocol says beside the name, for people (the identification text of a NETRJS job header).
    package var header: String?

    package init(
        kind: SpoolFile.Kind, carriageControl: CarriageControl, code: String, recordLength: Int, job: JobID? = nil,
        number: JobNumber? = nil, name: JobName? = nil, header: String? = nil
    ) {
        self.kind = kind
        self.carriageControl = carriageControl
        self.code = code
        self.recordLength = recordLength
        self.job = job
        self.number = number
        self.name = name
        self.header = header
    }
}

/// Takes the output that a host pushes. The engine's side; a station that is pushed to gets it when it is made.
package protocol OutputTaker: Sendable {
    func begin(_ stream: PushedStream) async throws(StationError) -> any OutputSink
}

/// Takes one stream. One user at a time; dropped without `finish` it leaves nothing that counts.
package protocol OutputSink: AnyObject, Sendable {
    /// The octets in order, in pieces of any size; the next is taken when this returns (back-pressure).
    func append(_ piece: [UInt8]) async throws(StationError)

    /// The stream is complete. When this returns it is on stable storage, as a file of its job or as an unclaimed stream:
    /// only then may the host hear that it was delivered.
    ///
    /// - Parameter isLast: the host announced no further stream of this job, so that the job ends with it.
    func finish(isLast: Bool) async throws(StationError)

    /// The stream was cut short; the host will send it again.
    func discard() async
}
