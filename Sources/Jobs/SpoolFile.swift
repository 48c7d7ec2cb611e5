package import Wire

/// Output of a job held by us.
package struct SpoolFile: Equatable, Sendable {
    package enum Kind: String, Sendable { case print, punch }

    /// What is known of the stored octets.
    package enum Condition: String, CaseIterable, Sendable {
        case sound
        /// Found other than its hash says, or missing, when it was last read.
        case corrupt
        /// Removed by age; what is told of the file stays.
        case purged
    }

    package let job: JobID
    /// From 1 within its job, in the host's order; `/v1/jobs/{id}/outputs/{number}`.
    package let number: Int
    package var kind: Kind
    package var step: String?
    package var ddName: String?
    package var sysoutClass: String?
    package var forms: String?
    package var carriageControl: CarriageControl
    /// The character code of the octets, as the protocol names it: `ASCII`, `CP037`, `CP1047`, `BINARY`.
    package var code: String
    /// Longest record, characters; for `BINARY` the length of each.
    package var recordLength: Int
    package var records: Int
    /// As the host sent them.
    package var octets: Int
    /// Length of the rendering as `text/plain`: UTF-8, carriage control applied; negative: to be counted.
    package var textOctets: Int
    /// Of that rendering, when it is long and was counted by the rule of today.
    package var textHash: ContentHash?
    package var hash: ContentHash
    package var condition: Condition

    package init(
        job: JobID, number: Int, kind: Kind, step: String? = nil, ddName: String? = nil, sysoutClass: String? = nil,
        forms: String? = nil, carriageControl: CarriageControl, code: String, recordLength: Int, records: Int,
        octets: Int, textOctets: Int, textHash: ContentHash? = nil, hash: ContentHash, condition: Condition = .sound
    ) {
        self.job = job
        self.number = number
        self.kind = kind
        self.step = step
        self.ddName = ddName
        self.sysoutClass = sysoutClass
        self.forms = forms
        self.carriageControl = carriageControl
        self.code = code
        self.recordLength = recordLength
        self.records = records
        self.octets = octets
        self.textOctets = textOctets
        self.textHash = textHash
        self.hash = hash
        self.condition = condition
    }
}
