import Engine
import HTTPCore
import Jobs
import Stores
import Wire

/// `?grep=`: what to look for, and how what is found is told.
struct OutputSearch: Sendable {
    static let parameters: Set<String> = ["grep", "regex", "ignore_case", "context", "max", "cursor"]
    private static let mostMatches = 10_000
    private static let mostContext = 100
    /// Octets between two chances for others: one character costs at most the steps of the pattern.
    private static let pieceOctets = 16 * 1024

    let pattern: Pattern
    let context: Int
    let most: Int
    let cursor: SearchPlace?
    let asText: Bool
    let mostOctets: Int

    /// - Returns: nil when nothing is searched for.
    init?(_ request: Request, _ query: QueryReader, _ settings: GatewaySettings) throws(Problem) {
        guard let given = query["grep"] else {
            for name in Self.parameters.sorted() where query[name] != nil {
                throw QueryReader.fault(name, "it goes with grep.")
            }
            return nil
        }
        for name in ["lines", "records", "follow", "from"] where query[name] != nil {
            throw QueryReader.fault(name, "it does not go with grep.")
        }
        // A text between slashes is an expression, as `grep=/A[0-9]+/` says by itself.
        let isBetweenSlashes = given.count > 2 && given.hasPrefix("/") && given.hasSuffix("/") && query["regex"] == nil
        let isExpression = try query.flag("regex") || isBetweenSlashes
        let text = isBetweenSlashes ? String(given.dropFirst().dropLast()) : given
        let ignoresCase = try query.flag("ignore_case")
        do throws(Pattern.Fault) {
            pattern = try Pattern(text, isExpression: isExpression, ignoresCase: ignoresCase)
        } catch {
            let column = error.column + (isBetweenSlashes ? 1 : 0)
            var problem = QueryReader.fault("grep", "column \(column): \(error.detail).")
            problem.members["column"] = String(column)
            throw problem
        }
        context = try query.int("context", in: 0...Self.mostContext) ?? 0
        most = try query.int("max", in: 1...Self.mostMatches) ?? 500
        if let text = query["cursor"] {
            guard let place = SearchPlace(text) else {
                throw Problem(.invalidCursor, "This is no cursor of a search; begin again without it.")
            }
            cursor = place
        } else {
            cursor = nil
        }
        mostOctets = settings.mostSearchedOctets
        switch try Rendering(request, query, among: [.text, .ndjson]) {
        case .ndjson: asText = false
        default: asText = true
        }
    }

    /// Searches the outputs of one job.
    func answer(
        in files: [OutputFile], of job: Job, namesOutput: Bool = false, fields: Fields
    ) -> Response {
        var fields = fields
        fields.add("Output-Complete", files.allSatisfy(\.isComplete) && job.state.isFinal ? "?1" : "?0")
        return .stream(contentType: contentType, fields: fields) { writer in
            var run = SearchRun(self, naming: namesOutput ? .output : .record)
            let outlet = Outlet(writer)
            _ = try await run.search(files, of: job.id, to: outlet)
            try await run.finish(to: outlet)
        }
    }

    var contentType: String { asText ? MediaTypes.utf8Text : MediaTypes.lines }
    var piece: Int { Self.pieceOctets }
}

/// Behind which record of which output of which job a search goes on. It opens nothing: what the caller may not see, he does not see
/// by it either.
struct SearchPlace: Equatable, Sendable {
    let job: JobID
    var output = 0
    /// The records before the place, and their octets.
    var record = 0
    var octets = 0

    init(job: JobID, output: Int = 0, record: Int = 0, octets: Int = 0) {
        self.job = job
        self.output = output
        self.record = record
        self.octets = octets
    }

    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4, let job = JobID(String(parts[0])), let output = strictInt(parts[1]),
            let record = strictInt(parts[2]), let octets = strictInt(parts[3])
        else { return nil }
        self.init(job: job, output: output, record: record, octets: octets)
    }

    var text: String { "\(job).\(output).\(record).\(octets)" }
}

/// One search under way: what was found so far, and what may still be looked at.
struct SearchRun: Sendable {
    enum Naming: Sendable { case record, output, job }

    private let wish: OutputSearch
    private let naming: Naming
    private var matcher: PatternMatcher
    private var matches = 0
    private var records = 0
    private(set) var octets = 0
    /// Where to go on, when not everything was looked at.
    var place: SearchPlace?
    private var hasShown = false

    init(_ search: OutputSearch, naming: Naming) {
        wish = search
        self.naming = naming
        matcher = PatternMatcher(search.pattern)
    }

    var isFull: Bool { place != nil }

    /// - Returns: false when the search is at its bounds; `place` says where.
    mutating func search(_ files: [OutputFile], of job: JobID, to outlet: Outlet) async throws -> Bool {
        let cursor = wish.cursor?.job == job ? wish.cursor : nil
        for file in files {
            if let cursor, file.number < cursor.output { continue }
            let from = cursor?.output == file.number ? cursor : nil
            if try await search(file, of: job, from: from, to: outlet) == false { return false }
        }
        return true
    }

    private mutating func search(
        _ file: OutputFile, of job: JobID, from: SearchPlace?, to outlet: Outlet
    ) async throws -> Bool {
        let start = min(from?.octets ?? 0, file.octets)
        var number = from?.record ?? 0
        let slice = OutputSlice(file, octets: start..<file.octets, firstRecord: number + 1, isWhole: file.isComplete)
        var pieces = slice.pieces(of: wish.piece)
        var reader = RecordReader(file.form)
        let table = file.page.latin1Table
        var before: [(number: Int, record: PrintRecord)] = []
        var after = 0
        var lastShown = 0
        var stop: SearchPlace?
        var hasEnded = false
        while !hasEnded {
            let found: [PrintRecord]
            if let piece = try await pieces.next() {
                octets += piece.count
                found = reader.append(piece.span)
            } else {
                hasEnded = true
                found = slice.isWhole ? reader.finish() : []
            }
            var output: [UInt8] = []
            for record in found {
                number += 1
                let isMatch = stop == nil && matcher.matches(RecordDocument.text(record, of: file), in: table)
                records += 1
                if isMatch {
                    matches += 1
                    if lastShown > 0 || hasShown, wish.context > 0, wish.asText,
                        (before.first?.number ?? number) > lastShown + 1 || lastShown == 0
                    {
                        output += Array("--\n".utf8)
                    }
                    for (number, record) in before {
                        show(record, number, false, file, job, &output)
                    }
                    before = []
                    show(record, number, true, file, job, &output)
                    lastShown = number
                    hasShown = true
                    after = wish.context
                    if matches == wish.most {
                        stop = SearchPlace(job: job, output: file.number, record: number, octets: start + record.end)
                    }
                } else if after > 0 {
                    after -= 1
                    show(record, number, false, file, job, &output)
                    lastShown = number
                } else if wish.context > 0 {
                    before.append((number, record))
                    if before.count > wish.context { before.removeFirst() }
                }
                if stop == nil, octets >= wish.mostOctets {
                    stop = SearchPlace(job: job, output: file.number, record: number, octets: start + record.end)
                    after = 0
                }
                if stop != nil, after == 0 { break }
            }
            try await outlet.write(output)
            if let stop, after == 0 || hasEnded {
                place = stop
                return false
            }
            await Task.yield()
        }
        return true
    }

    private func show(
        _ record: PrintRecord, _ number: Int, _ isMatch: Bool, _ file: OutputFile, _ job: JobID,
        _ output: inout [UInt8]
    ) {
        guard wish.asText else {
            var json = JSONWriter(capacity: record.octets.count + 128)
            json.beginObject()
            if naming == .job {
                json.key("job")
                json.string(job.description)
            }
            RecordDocument.write(record, number: number, of: file, to: &json)
            json.key("match")
            json.bool(isMatch)
            json.endObject()
            output += json.bytes + [0x0A]
            return
        }
        let mark = isMatch ? ":" : "-"
        switch naming {
        case .record: output += Array("\(number)\(mark)".utf8)
        case .output: output += Array("\(file.number)\(mark)\(number)\(mark)".utf8)
        case .job: output += Array("\(job)\(mark)\(file.number)\(mark)\(number)\(mark)".utf8)
        }
        var text: [UInt8] = []
        file.page.decode(Array(RecordDocument.text(record, of: file)).span, to: &text)
        while text.last == 0x20 { text.removeLast() }
        for octet in text { output.append(octet < 0x20 && octet != 0x09 ? 0x20 : octet) }
        output.append(0x0A)
    }

    /// What was looked at, and where to go on.
    func finish(to outlet: Outlet) async throws {
        if wish.asText {
            if let place { try await outlet.write(Array("-- more: cursor=\(place.text)\n".utf8)) }
            return
        }
        var json = JSONWriter()
        json.beginObject()
        json.key("summary")
        json.beginObject()
        json.key("matches")
        json.int(matches)
        json.key("records")
        json.int(records)
        json.key("truncated")
        json.bool(place != nil)
        if let place {
            json.key("next_cursor")
            json.string(place.text)
        }
        json.endObject()
        json.endObject()
        try await outlet.write(json.bytes + [0x0A])
    }
}
