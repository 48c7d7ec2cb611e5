import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addSearchRoutes(to router: inout Router) {
        router.route(.get, "/v1/outputs", "searchOutputs") { [self] request, _ in try await searchOutputs(request) }
    }

    /// The outputs of many jobs, the newest first, in one answer.
    private func searchOutputs(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .outputsRead)
        let query = try QueryReader(
            request, names: JobListRequest.filterNames.union(OutputSearch.parameters).union(["format"]),
            repeatable: ["state"], labels: true)
        guard let search = try OutputSearch(request, query, settings) else {
            throw QueryReader.fault("grep", "say what to search for.")
        }
        let jobs = caller.narrowed(try JobQuery(filters: query))
        let fields: Fields = [
            "Cache-Control": "no-store", "Vary": "Accept, Authorization",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        ]
        return .stream(contentType: search.contentType, fields: fields) { [self] writer in
            try await Problem.translating { try await run(search, over: jobs, for: caller, to: Outlet(writer)) }
        }
    }

    private static let jobsAtOnce = 100

    private func run(
        _ search: OutputSearch, over given: JobQuery?, for caller: Caller, to outlet: Outlet
    ) async throws {
        var run = SearchRun(search, naming: .job)
        guard var query = given else { return try await run.finish(to: outlet) }
        query.limit = Self.jobsAtOnce
        if let cursor = search.cursor {
            if let job = try await desk.store.job(cursor.job), caller.maySee(job), job.outputs > 0 {
                try await run.search(job, of: self, to: outlet)
            }
            query.before = cursor.job
        }
        var looked = 0
        while !run.isFull, !isDraining {
            let page = try await desk.store.page(query)
            for job in page.jobs {
                looked += 1
                if caller.maySee(job), job.outputs > 0 { try await run.search(job, of: self, to: outlet) }
                if run.isFull { break }
                if looked >= settings.mostSearchedJobs || run.octets >= settings.mostSearchedOctets {
                    run.place = SearchPlace(job: job.id, output: Int(Int32.max))
                    break
                }
            }
            guard let next = page.next else { break }
            query.from = next
        }
        try await run.finish(to: outlet)
    }
}

extension SearchRun {
    /// Output that is not kept any more, or damaged, is passed over: the rest is still worth to be found.
    fileprivate mutating func search(_ job: Job, of gateway: Gateway, to outlet: Outlet) async throws {
        for file in try await gateway.desk.store.spoolFiles(of: job.id) where file.condition == .sound {
            guard let output = try? await gateway.outputFile(file, of: job) else { continue }
            if try await search([output], of: job.id, to: outlet) == false { return }
        }
    }
}
