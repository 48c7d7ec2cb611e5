import Jobs
import Testing

@Suite struct OutputMatcherTests {
    typealias Evidence = OutputMatcher.Evidence
    typealias Match = OutputMatcher.Match

    static let one = JobID(bits: 1)
    static let two = JobID(bits: 2)
    static let three = JobID(bits: 3)

    static func candidate(_ id: JobID, _ name: String?, _ number: String?) -> OutputMatcher.Candidate {
        .init(job: id, name: name.flatMap { JobName($0) }, number: number.flatMap { JobNumber($0) })
    }

    static let jobs = [
        candidate(one, "HELLO", "J00042"), candidate(two, "PAYROLL", "J00043"), candidate(three, "PAYROLL", "J00044"),
    ]
    /// A host without numbers: the name stands in their place.
    static let unnumbered = [candidate(one, "HELLO", "HELLO"), candidate(two, "J7", "J7")]

    static func evidence(
        job: JobID? = nil, number: String? = nil, name: String? = nil, text: String = ""
    ) -> Evidence {
        Evidence(
            job: job, number: number.flatMap { JobNumber($0) }, name: name.flatMap { JobName($0) },
            scan: PrintScanTests.scan(text))
    }

    static func log(_ number: String, _ name: String) -> String {
        " 12.01.07 \(number) ---- MONDAY,    23 NOV 2026 ----\n 12.01.07 \(number)  IEF403I \(name) - STARTED - TIME=12.01.07\n"
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let evidence: Evidence
        var jobs = OutputMatcherTests.jobs
        let match: Match?
    }

    static func page(_ number: Int, _ name: String) -> String { "****A  START  JOB\(number)  \(name)  SMITH\n" }

    @Test(arguments: [
        Row(
            testDescription: "the port is certain, whatever is printed",
            evidence: evidence(job: one, name: "PAYROLL", text: log("J00099", "OTHER")),
            match: .job(one, .certain, matchedBy: "port")),
        Row(testDescription: "a port of a job that is gone", evidence: evidence(job: JobID(bits: 9)), match: nil),
        Row(
            testDescription: "the marker card is certain among namesakes",
            evidence: evidence(name: "PAYROLL", text: "//* PORT77 \(three)\n"),
            match: .job(three, .certain, matchedBy: "marker-card")),
        Row(
            testDescription: "a marker card of a job that is not ours is nobody's, though the name fits",
            evidence: evidence(name: "HELLO", text: "//* PORT77 \(JobID(bits: 9))\n"), match: nil),
        Row(
            testDescription: "a marker card that another job prints",
            evidence: evidence(name: "HELLO", text: "//* PORT77 \(three)\n"), match: nil),
        Row(
            testDescription: "the host's number", evidence: evidence(number: "J00044", name: "PAYROLL"),
            match: .job(three, .certain, matchedBy: "job-number")),
        Row(
            testDescription: "the host's number under another name",
            evidence: evidence(number: "J00044", name: "HELLO"), match: nil),
        Row(
            testDescription: "a number that no job has does not fall to a job with another number",
            evidence: evidence(number: "J00099", name: "HELLO"), match: nil),
        Row(
            testDescription: "a number that no job has falls to a job of the name whose number nobody knows yet",
            evidence: evidence(number: "J00099", name: "HELLO"), jobs: [candidate(one, "HELLO", nil)],
            match: .job(one, .likely, matchedBy: "job-name")),
        Row(
            testDescription: "the separator page", evidence: evidence(text: page(43, "PAYROLL")),
            match: .job(two, .certain, matchedBy: "separator-page")),
        Row(
            testDescription: "a separator page by name alone where the host has no numbers",
            evidence: evidence(text: page(43, "HELLO")), jobs: unnumbered,
            match: .job(one, .likely, matchedBy: "separator-page")),
        Row(
            testDescription: "the name by the protocol", evidence: evidence(name: "HELLO"),
            match: .job(one, .likely, matchedBy: "job-name")),
        Row(
            testDescription: "a name that two jobs have", evidence: evidence(name: "PAYROLL"), match: nil),
        Row(
            testDescription: "a name that two jobs have, and the number in the log",
            evidence: evidence(name: "PAYROLL", text: log("JOB00044", "PAYROLL")),
            match: .job(three, .likely, matchedBy: "job-name")),
        Row(
            testDescription: "a printed number that is not the job's",
            evidence: evidence(name: "HELLO", text: log("J00077", "HELLO")), match: nil),
        Row(
            testDescription:
                "a printed number says nothing where the host's handle is the name, even one like a number",
            evidence: evidence(name: "J7", text: log("J00077", "J7")), jobs: unnumbered,
            match: .job(two, .likely, matchedBy: "job-name")),
        Row(
            testDescription: "the job log alone", evidence: evidence(text: log("J00042", "HELLO")),
            match: .job(one, .possible, matchedBy: "job-log")),
        Row(testDescription: "a name nobody has", evidence: evidence(name: "STRANGER"), match: nil),
        Row(testDescription: "nothing", evidence: evidence(), match: nil),
        Row(testDescription: "no jobs", evidence: evidence(name: "HELLO"), jobs: [], match: nil),
    ])
    func `output finds its job`(_ row: Row) {
        let match = OutputMatcher.match(row.evidence, among: row.jobs)
        if let expected = row.match {
            #expect(match == expected)
        } else if case .job = match {
            Issue.record("\(match)")
        }
    }
}
