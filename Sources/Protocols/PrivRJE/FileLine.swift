package import Wire

extension PrivRJE {
    package enum FileKind: String, Sendable {
        case print = "PRINT"
        case punch = "PUNCH"
    }

    /// A line of FILES: one output file of a finished job. Section 6.
    package struct FileLine: Equatable, Sendable {
        /// From 1.
        package var file: Int
        package var kind: FileKind
        package var step: String?
        package var dd: String?
        package var records: Int?
        /// The length of the whole file, as FETCH sends it.
        package var octets: Int
        package var carriageControl: CarriageControl
        /// A code page's name, or BINARY.
        package var code: String
        package var lrecl: Int?

        package init(
            file: Int, kind: FileKind, step: String? = nil, dd: String? = nil, records: Int? = nil, octets: Int,
            carriageControl: CarriageControl = .none, code: String = "ASCII", lrecl: Int? = nil
        ) {
            self.file = file
            self.kind = kind
            self.step = step
            self.dd = dd
            self.records = records
            self.octets = octets
            self.carriageControl = carriageControl
            self.code = code
            self.lrecl = lrecl
        }

        /// - Returns: nil without FILE and OCTETS, or with a word that the page does not have.
        package init?(_ line: Line) {
            guard line.code == 263, let file = line.number("FILE"), let octets = line.number("OCTETS"),
                let kind = FileKind(rawValue: line["KIND"]?.uppercased() ?? "PRINT"),
                let carriageControl = CarriageControl(rawValue: line["CC"]?.uppercased() ?? "NONE")
            else { return nil }
            self.init(
                file: file, kind: kind, step: line["STEP"], dd: line["DD"], records: line.number("RECORDS"),
                octets: octets, carriageControl: carriageControl, code: line["CODE"]?.uppercased() ?? "ASCII",
                lrecl: line.number("LRECL"))
        }

        package var line: Line {
            var line = Line(263, hasMore: true)
            line.add("FILE", file)
            line.add("KIND", kind.rawValue)
            line.add("STEP", step)
            line.add("DD", dd)
            line.add("RECORDS", records)
            line.add("OCTETS", octets)
            line.add("CC", carriageControl.rawValue)
            line.add("CODE", code)
            line.add("LRECL", lrecl)
            return line
        }
    }

    /// What FETCH asks for. Section 6.
    package struct Fetch: Equatable, Sendable {
        package var job: String
        package var file: Int
        /// Octets of the file to leave out.
        package var offset: Int
        /// Octets to send at most; nil: all.
        package var count: Int?

        package init(job: String, file: Int, offset: Int = 0, count: Int? = nil) {
            self.job = job
            self.file = file
            self.offset = offset
            self.count = count
        }
    }

    /// The 264 before a block of output.
    package struct BlockHeader: Equatable, Sendable {
        package var job: String
        package var file: Int
        package var offset: Int
        /// Length of the block.
        package var octets: Int
        /// Length of the file.
        package var total: Int

        package init(job: String, file: Int, offset: Int, octets: Int, total: Int) {
            self.job = job
            self.file = file
            self.offset = offset
            self.octets = octets
            self.total = total
        }

        package init?(_ line: Line) {
            guard line.code == 264, let job = line["JOB"], let file = line.number("FILE"),
                let offset = line.number("OFFSET"), let octets = line.number("OCTETS"), let total = line.number("TOTAL")
            else { return nil }
            self.init(job: job, file: file, offset: offset, octets: octets, total: total)
        }

        package var line: Line {
            var line = Line(264)
            line.add("JOB", job)
            line.add("FILE", file)
            line.add("OFFSET", offset)
            line.add("OCTETS", octets)
            line.add("TOTAL", total)
            return line
        }

        /// Whether it can be the answer: the right file and place, no more than was asked, and 0 octets only at the end.
        package func answers(_ fetch: Fetch) -> Bool {
            job == fetch.job && file == fetch.file && offset == fetch.offset && offset + octets <= total
                && octets <= fetch.count ?? .max && (octets > 0 || offset == total)
        }
    }
}
