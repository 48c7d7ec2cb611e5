/// Finds the job that a stream of output belongs to, from what the protocol and the print-out say of it.
///
/// | what is known | and | confidence | `matched_by` |
/// | --- | --- | --- | --- |
/// | where it came | only this job's output could come there | certain | port |
/// | a marker card `//* PORT77 <job ID>` | of a job of this host, and no name disagrees | certain | marker-card |
/// | the host's job number | no name disagrees | certain | job-number |
/// | the separator page | name and number agree | certain | separator-page |
/// | the job's name, by the protocol | one job has it | likely | job-name |
/// | the job's name, by the job log | one job has it | possible | job-log |
///
/// A later row is asked only when the rows above say nothing; a row that says something about no job of ours ends the search,
/// and so does a name that several jobs have: output in the wrong job's folder is worse than output that an operator claims.
package enum OutputMatcher {
    package enum Confidence: String, Comparable, CaseIterable, Sendable {
        case possible, likely, certain
        package static func < (left: Confidence, right: Confidence) -> Bool {
            allCases.firstIndex(of: left) ?? 0 < allCases.firstIndex(of: right) ?? 0
        }
    }

    /// What is known of a stream.
    package struct Evidence: Equatable, Sendable {
        package var job: JobID?
        package var number: JobNumber?
        package var name: JobName?
        package var scan: PrintScan

        package init(job: JobID? = nil, number: JobNumber? = nil, name: JobName? = nil, scan: PrintScan = PrintScan()) {
            self.job = job
            self.number = number
            self.name = name
            self.scan = scan
        }

        /// The names under which the stream may be looked up.
        package var names: [JobName] {
            var names: [JobName] = []
            for name in [name, scan.separator?.name, scan.name].compactMap({ $0 }) where !names.contains(name) {
                names.append(name)
            }
            return names
        }
    }

    /// A job of the host that output may belong to.
    package struct Candidate: Equatable, Sendable {
        package let job: JobID
        package let name: JobName?
        package let number: JobNumber?

        package init(job: JobID, name: JobName?, number: JobNumber?) {
            self.job = job
            self.name = name
            self.number = number
        }

        package init(_ job: Job) { self.init(job: job.id, name: job.name, number: job.hostJob) }
    }

    package enum Match: Equatable, Sendable {
        case job(JobID, Confidence, matchedBy: String)
        /// Nobody's, and why, for people.
        case nobody(String)
    }

    package static func match(_ evidence: Evidence, among jobs: [Candidate]) -> Match {
        if let job = evidence.job {
            return jobs.contains { $0.job == job }
                ? .job(job, .certain, matchedBy: "port") : .nobody("the job \(job) it came for is not under way")
        }
        if let marker = evidence.scan.marker {
            guard let found = jobs.first(where: { $0.job == marker }) else {
                return .nobody("its marker card names the job \(marker), which is not under way here")
            }
            // A job that prints another one's marker card does not get its output into that one's folder.
            if let name = evidence.name, let known = found.name, name != known {
                return .nobody(
                    "its marker card names the job \(marker), which is \(known), and the output is of \(name)")
            }
            return .job(marker, .certain, matchedBy: "marker-card")
        }
        if let number = evidence.number {
            guard let found = jobs.first(where: { $0.number == number }) else {
                return byName(
                    evidence, jobs.filter { $0.number == nil }, else: "no job here has the host's number \(number)")
            }
            if let name = evidence.name, let known = found.name, name != known {
                return .nobody("the host's number \(number) is that of \(known) here, and the output is of \(name)")
            }
            return .job(found.job, .certain, matchedBy: "job-number")
        }
        if let page = evidence.scan.separator {
            let found = jobs.filter { $0.name == page.name && hostNumber($0) == page.number }
            if found.count == 1, let only = found.first { return .job(only.job, .certain, matchedBy: "separator-page") }
        }
        return byName(evidence, jobs, else: "nothing in it names a job")
    }

    private static func byName(_ evidence: Evidence, _ jobs: [Candidate], else words: String) -> Match {
        let printed = evidence.scan.number.flatMap(number)
        // A number that is printed in it and is another one than the job's says that it is not the job's.
        let possible = jobs.filter { job in
            guard let printed, let known = hostNumber(job) else { return true }
            return known == printed
        }
        for (name, confidence, source) in [
            (evidence.name, Confidence.likely, "job-name"), (evidence.scan.separator?.name, .likely, "separator-page"),
            (evidence.scan.name, .possible, "job-log"),
        ] {
            guard let name else { continue }
            let found = possible.filter { $0.name == name }
            switch found.count {
            case 0: return .nobody("no job under way here is named \(name)")
            case 1: return .job(found[0].job, confidence, matchedBy: source)
            default: return .nobody("\(found.count) jobs under way here are named \(name)")
            }
        }
        return .nobody(words)
    }

    /// The digits of a number such as `J00042` or `JOB00042`; a host without numbers has the job's name there, which is none.
    private static func hostNumber(_ job: Candidate) -> Int? {
        guard let text = job.number?.description, text != job.name?.description else { return nil }
        return number(text)
    }

    private static func number(_ text: String) -> Int? {
        let digits = text.drop { !$0.isNumber }
        return text.utf8.count - digits.utf8.count <= 3 ? Int(digits) : nil
    }
}
