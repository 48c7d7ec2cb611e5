import Crypto
import Engine
import HTTPCore
import Jobs
import Stores
import Wire

enum OutputFields {
    /// What a job printed is the work of strangers: nothing in it may run.
    static let sandbox: Fields = [
        "Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff",
    ]

    /// With answers that depend on `Accept` and may be kept only while they are asked about.
    static let stored: Fields = [
        "Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding, Prefer, Authorization",
    ]
}

extension Gateway {
    func addOutputRoutes(to router: inout Router) {
        router.route(.get, "/v1/jobs/{id}/outputs", "listOutputs") { [self] request, _ in
            try await listOutputs(request)
        }
        router.route(.get, "/v1/jobs/{id}/outputs/{number}", "getOutput") { [self] request, _ in
            try await getOutput(request)
        }
        router.route(.get, "/v1/jobs/{id}/output", "getPrintOut") { [self] request, _ in
            try await getPrintOut(request)
        }
    }

    private static let parameters = OutputSearch.parameters.union([
        "format", "until", "lines", "records", "follow", "from",
    ])

    private func listOutputs(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .jobsRead)
        let query = try QueryReader(request, names: ["until"])
        let wish = try WaitWish(request, query, atMost: settings.longestWait)
        let job = try await wait(for: try await job(request, caller), wish)
        let growing = growingFiles(of: job)
        let files = try await desk.store.spoolFiles(of: job.id)
        var json = JSONWriter()
        json.beginObject()
        json.key("items")
        json.beginArray()
        for file in files { JobDocument.write(file, to: &json) }
        for file in growing where !files.contains(where: { $0.number == file.number }) {
            JobDocument.write(growing: file, of: job, to: &json)
        }
        json.endArray()
        json.key("state")
        json.string(job.state.rawValue)
        json.key("complete")
        json.bool(job.state.isFinal)
        json.endObject()
        var fields: Fields = ["Cache-Control": "no-cache"]
        if let applied = wish.applied { fields.add("Preference-Applied", applied) }
        return .json(json.bytes, fields: fields)
    }

    private func fields(_ wish: WaitWish) -> Fields {
        var fields = OutputFields.stored
        fields.add(OutputFields.sandbox)
        if let applied = wish.applied { fields.add("Preference-Applied", applied) }
        return fields
    }

    private func notYet(_ job: Job) -> Problem {
        var problem = Problem(
            .stateConflict,
            "The job is \(job.state.rawValue); its output comes when it has ended. "
                + "Prefer: wait=60 waits, ?follow sends it while it comes.",
            retryAfter: desk.secondsToEnd(of: job), job: "/v1/jobs/\(job.id)")
        problem.members["state"] = job.state.rawValue
        problem.retryable = true
        return problem
    }

    // MARK: one output, or all

    private func getOutput(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .outputsRead)
        let query = try QueryReader(request, names: Self.parameters)
        let wish = try WaitWish(request, query, atMost: settings.longestWait)
        let number = strictInt(request.parameter("number") ?? "")
        if let search = try OutputSearch(request, query, settings) {
            let job = try await wait(for: try await job(request, caller), wish)
            guard let number, let file = try await outputFile(number, of: job) else { throw noOutput(request, job) }
            return search.answer(in: [file], of: job, fields: fields(wish))
        }
        let rendering = try Rendering(request, query, among: [.text, .raw, .html, .pdf, .records, .ndjson])
        let selection = try OutputSelection(query, rendering)
        if try query.flag("follow") {
            let job = try await job(request, caller)
            guard let number, try await outputFile(number, of: job) != nil || !job.state.isFinal else {
                throw noOutput(request, job)
            }
            return try follow(job, number, rendering, selection, query)
        }
        try checkNoFrom(query)
        let job = try await wait(for: try await job(request, caller), wish)
        guard let number, let file = try await outputFile(number, of: job) else { throw noOutput(request, job) }
        return try await answer(request, [file], of: job, rendering, selection, fields(wish))
    }

    private func noOutput(_ request: Request, _ job: Job) -> Problem {
        let text = request.parameter("number") ?? ""
        guard strictInt(text) == nil || job.state.isFinal else { return notYet(job) }
        return Problem(.notFound, "The job \(job.id) has no output \"\(text.prefix(20))\".")
    }

    private func getPrintOut(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .outputsRead)
        let query = try QueryReader(request, names: Self.parameters)
        let wish = try WaitWish(request, query, atMost: settings.longestWait)
        if let search = try OutputSearch(request, query, settings) {
            let job = try await wait(for: try await job(request, caller), wish)
            let files = try await outputFiles(try await desk.store.spoolFiles(of: job.id), of: job)
            let growing = growingFiles(of: job).filter { file in !files.contains { $0.number == file.number } }
            return search.answer(in: files + growing, of: job, namesOutput: true, fields: fields(wish))
        }
        let rendering = try Rendering(request, query)
        let selection = try OutputSelection(query, rendering)
        if try query.flag("follow") {
            return try follow(try await job(request, caller), nil, rendering, selection, query)
        }
        try checkNoFrom(query)
        let job = try await wait(for: try await job(request, caller), wish)
        guard job.state.isFinal else { throw notYet(job) }
        if rendering == .zip { return try await archive(request, of: job, fields(wish)) }
        if rendering == .mixed { return try await parts(request, of: job, fields(wish)) }
        return try await answer(request, try await printFiles(of: job), of: job, rendering, selection, fields(wish))
    }

    private func printFiles(of job: Job) async throws -> [OutputFile] {
        try await outputFiles(try await storedFiles(of: job).filter { $0.kind == .print }, of: job)
    }

    private func storedFiles(of job: Job) async throws -> [SpoolFile] {
        job.outputs == 0 ? [] : try await desk.store.spoolFiles(of: job.id)
    }

    /// All print files in order. As text a page break stands between two of them, as the printer would begin a page.
    func printOut(of job: Job, _ rendering: Rendering) async throws -> OutputSource {
        try await source(try await printFiles(of: job), rendering)
    }

    // MARK: representations

    private func answer(
        _ request: Request, _ files: [OutputFile], of job: Job, _ rendering: Rendering, _ selection: OutputSelection,
        _ given: Fields
    ) async throws -> Response {
        var fields = given
        var slices = files.map { OutputSlice($0) }
        if case .records(let span) = selection {
            let records = try await RecordSelection(span, of: files, pieceOctets: settings.outputPieceOctets)
            slices = records.slices
            fields.add("Output-Records", records.field)
        }
        if rendering == .text || rendering == .raw {
            var source = try await source(slices, rendering, selection)
            if case .lines(let span) = selection { try await choose(span, &source) }
            return try await source.answer(request, fields: fields, settings)
        }
        let tag = tag(of: files, rendering, selection)
        let isComplete = files.allSatisfy(\.isComplete)
        if rendering == .html { fields["Content-Security-Policy"] = OutputDocument.htmlPolicy }
        let document = OutputDocument(
            job: job, slices: slices, rendering: rendering,
            pieceOctets: min(settings.outputPieceOctets, OutputDocument.mostPieceOctets))
        return try stream(
            request, rendering, tag, isComplete: isComplete, fields
        ) { try await document.write(to: $0) }
    }

    private func stream(
        _ request: Request, _ rendering: Rendering, _ wholeTag: EntityTag, isComplete: Bool, _ given: Fields,
        contentType: String? = nil, _ write: @escaping @Sendable (Outlet) async throws -> Void
    ) throws(Problem) -> Response {
        var fields = given
        let packs =
            rendering.gainsByPacking && OutputSource.packs(request, length: nil, isComplete: isComplete)
        let tag = packs ? EntityTag(wholeTag.opaque + "-gzip", isWeak: wholeTag.isWeak) : wholeTag
        fields.add("ETag", tag.description)
        fields.add("Output-Complete", isComplete ? "?1" : "?0")
        switch request.conditions(tag: tag) {
        case .notModified: return .empty(304, fields: fields)
        case .preconditionFailed: throw Problem(.preconditionFailed, "The output is another one: its tag is \(tag).")
        case .proceed: break
        }
        if packs { fields.add("Content-Encoding", "gzip") }
        return .stream(contentType: contentType ?? rendering.contentType, fields: fields) { writer in
            let outlet = Outlet(writer, packs: packs)
            try await write(outlet)
            try await outlet.finish()
        }
    }

    /// Weak while something still grows: the same tag never stands for other octets all the same.
    private func tag(
        of files: [OutputFile], _ rendering: Rendering, _ selection: OutputSelection
    ) -> EntityTag {
        if files.contains(where: { !$0.isComplete }) {
            let sizes = files.map { String($0.octets) }.joined(separator: "-")
            return EntityTag("growing-\(sizes)-\(rendering.tag)\(selection.tag)", isWeak: true)
        }
        let hash: ContentHash
        if files.count == 1, let only = files.first?.hash {
            hash = only
        } else {
            hash = ContentHash(of: OutputParts.hashes(files))
        }
        return EntityTag("\(hash.hex)-\(rendering.tag)\(selection.tag)")
    }

    /// Whole outputs as text or raw octets.
    func source(_ files: [OutputFile], _ rendering: Rendering) async throws -> OutputSource {
        try await source(files.map { OutputSlice($0) }, rendering, .whole)
    }

    private func source(
        _ slices: [OutputSlice], _ rendering: Rendering, _ selection: OutputSelection
    ) async throws -> OutputSource {
        var parts: [OutputSource.Part] = []
        var hasText = false
        for slice in slices {
            let file = slice.file
            var length: Int? = slice.octets.count
            if rendering == .text {
                length = slice.octets == 0..<file.octets && file.textOctets >= 0 ? file.textOctets : nil
                // Counted by an older rule: once more.
                if length == nil, selection == .whole { length = try await textLength(of: slice) }
            }
            let hasPrefix = rendering == .text && hasText && length != 0
            parts.append(
                .init(
                    prefix: hasPrefix ? [0x0C] : [], length: length, slice: slice,
                    renderer: rendering == .text ? file.renderer : nil))
            hasText = hasText || length != 0
        }
        let files = slices.map(\.file)
        return OutputSource(
            parts: parts, tag: tag(of: files, rendering, selection), contentType: rendering.contentType,
            digest: files.count == 1 && selection == .whole
                ? rendering == .raw ? files.first?.hash : files.first?.textHash : nil,
            isComplete: files.allSatisfy(\.isComplete), isSelection: selection != .whole)
    }

    private func textLength(of slice: OutputSlice) async throws -> Int {
        var stream = OutputSource.Part(prefix: [], length: nil, slice: slice, renderer: slice.file.renderer)
            .stream(pieceOctets: settings.outputPieceOctets)
        var length = 0
        while let piece = try await stream.next() { length += piece.count }
        return length
    }

    private func choose(_ span: OutputSelection.Span, _ source: inout OutputSource) async throws {
        switch span {
        case .between(let first, let last):
            source.lines = .init(skipped: first - 1, count: last == .max ? .max : last - first + 1)
        case .last(let count):
            let tail = try await LineTail.find(
                last: count, of: source.parts, pieceOctets: settings.outputPieceOctets)
            source = OutputSource(
                parts: tail.parts, tag: source.tag, contentType: source.contentType, isComplete: source.isComplete,
                isSelection: true, lines: .init(skipped: tail.skipped))
        }
    }

    // MARK: following, and everything

    private func checkNoFrom(_ query: QueryReader) throws(Problem) {
        guard query["from"] == nil else { throw QueryReader.fault("from", "it goes with follow.") }
    }

    private func follow(
        _ job: Job, _ number: Int?, _ rendering: Rendering, _ selection: OutputSelection, _ query: QueryReader
    ) throws -> Response {
        guard rendering == .text || rendering == .raw || rendering == .ndjson else {
            throw QueryReader.fault("follow", "it sends text, raw or ndjson.")
        }
        guard selection == .whole else { throw QueryReader.fault("follow", "it does not go with lines or records.") }
        var from = 0
        if let text = query["from"] {
            guard rendering != .ndjson, text.hasPrefix("bytes:"), let octets = strictInt(text.dropFirst(6)) else {
                throw QueryReader.fault("from", "write bytes:N, of a text or of raw octets.")
            }
            from = octets
        }
        let follow = OutputFollow(
            gateway: self, job: job.id, number: number, rendering: rendering, from: from,
            subscription: desk.watch.subscribe(toOutputOf: job.id))
        var fields: Fields = [
            "Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept, Authorization",
            "Output-Complete": job.state.isFinal ? "?1" : "?0",
        ]
        fields.add(OutputFields.sandbox)
        return .stream(contentType: rendering.contentType, fields: fields) { writer in
            try await Problem.translating { try await follow.run(to: Outlet(writer)) }
        }
    }

    private func parts(_ request: Request, of job: Job, _ fields: Fields) async throws -> Response {
        let files = try await outputFiles(try await storedFiles(of: job), of: job)
        let parts = OutputParts(files, of: job.id, pieceOctets: settings.outputPieceOctets)
        let tag = EntityTag("\(ContentHash(of: OutputParts.hashes(files)).hex)-\(Rendering.mixed.tag)")
        return try stream(
            request, .mixed, tag, isComplete: true, fields, contentType: parts.contentType
        ) { try await parts.write(to: $0) }
    }

    private func archive(_ request: Request, of job: Job, _ given: Fields) async throws -> Response {
        let stored = try await storedFiles(of: job)
        let files = try await outputFiles(stored, of: job)
        var receipt: (event: [UInt8], fields: [UInt8])?
        if let signed = try? await self.receipt(of: job), case .bytes(let event) = signed.body {
            let names = ["webhook-id", "webhook-timestamp", "webhook-signature"]
            let lines = names.map { "\($0): \(signed.fields[$0] ?? "")\n" }.joined()
            receipt = (event, Array(lines.utf8))
        }
        let archive = JobArchive(
            job: job, document: JobDocument.bytes(desk.shown(job), files: stored),
            deck: try await desk.store.deck(of: job.id), receipt: receipt, files: files,
            pieceOctets: min(settings.outputPieceOctets, OutputDocument.mostPieceOctets))
        var fields = given
        fields.add("Content-Disposition", "attachment; filename=\"\(job.id).zip\"")
        let content = ContentHash(of: OutputParts.hashes(files))
        // Weak: the receipt is signed anew each time.
        let tag = EntityTag("\(content.hex)-\(job.version)-\(Rendering.zip.tag)", isWeak: true)
        return try stream(
            request, .zip, tag, isComplete: true, fields
        ) { try await archive.write(to: $0) }
    }
}
