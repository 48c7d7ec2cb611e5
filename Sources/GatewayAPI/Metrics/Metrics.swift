import Engine
import HTTPCore
import Jobs
import Lines
import Stations
import Stores
import Webhooks

extension Gateway {
    /// Labels are hosts, routes, states and other words of ours: no client can make a series.
    func metrics(as format: MetricsWriter.Format, for caller: Caller) async throws -> [UInt8] {
        var text = MetricsWriter(format, hosts: caller.hosts.map { Set($0.map(\.description)) })
        let now = figures.now
        writeRequests(now, to: &text)
        writeJobs(try await desk.store.jobCounts(), now, to: &text)
        try await writeQueues(to: &text)
        writePools(to: &text)
        writeLines(to: &text)
        writeDeliveries(try await desk.store.deliveryCounts(), to: &text)
        text.single("rje_event_streams", .gauge, "Event streams being served.", now.streams)
        text.single("rje_waiters", .gauge, "Requests and streams that wait for a commit.", desk.watch.count)
        text.single(
            "rje_events_total", .counter, "Events ever committed: the number of the last.",
            try await desk.store.lastSequence())
        try await writeStorage(to: &text)
        writeStore(desk.store.figures, to: &text)
        let recovery = settings.recovery()
        text.single(
            "rje_recovery_seconds", .gauge, "From the start of the engine until all hosts' jobs were taken up again.",
            recovery.time.inSeconds)
        text.single("rje_recovering_hosts", .gauge, "Hosts whose jobs are still to be taken up.", recovery.remaining)
        text.family("rje_build_info", .info, "Version of the gateway.")
        text.sample([("version", settings.version)], 1)
        ProcessFigures.write(startedAt: figures.startedAt, to: &text)
        text.end()
        return text.bytes
    }

    private func writeRequests(_ now: Figures.State, to text: inout MetricsWriter) {
        text.family("rje_http_requests_total", .counter, "Answered requests.")
        let order = now.requests.sorted {
            ($0.key.route, $0.key.method, $0.key.status) < ($1.key.route, $1.key.method, $1.key.status)
        }
        for (key, count) in order {
            text.sample([("route", key.route), ("method", key.method), ("code", String(key.status))], count)
        }
        text.family("rje_http_request_duration_seconds", .histogram, "From the complete head to the answer's end.")
        for (route, timing) in now.timings.sorted(by: { $0.key < $1.key }) { text.sample([("route", route)], timing) }
        text.family("rje_http_body_bytes_total", .counter, "Octets of bodies, without framing.")
        text.sample([("dir", "in")], now.receivedOctets)
        text.sample([("dir", "out")], now.sentOctets)
    }

    private func writeJobs(_ counts: [JobCount], _ now: Figures.State, to text: inout MetricsWriter) {
        text.family("rje_jobs", .gauge, "Jobs stored, by host and state.")
        for count in counts.sorted(by: { ($0.host, $0.state.rawValue) < ($1.host, $1.state.rawValue) }) {
            text.sample([("host", count.host.description), ("state", count.state.rawValue)], count.count)
        }
        text.single("rje_jobs_submitted_total", .counter, "Jobs taken since the start.", now.submitted)
        text.family("rje_jobs_total", .counter, "Jobs that have ended since the start, by how.")
        for (key, count) in now.endings.sorted(by: { ($0.key.host, $0.key.outcome) < ($1.key.host, $1.key.outcome) }) {
            text.sample([("host", key.host.description), ("outcome", key.outcome)], count)
        }
        text.family(
            "rje_job_stage_seconds", .histogram,
            "What a job's time went into: queue (until its host has it), host (until it runs), run, output, total.")
        for (stage, timing) in zip(Figures.Stage.allCases, now.stages) {
            text.sample([("stage", stage.rawValue)], timing)
        }
    }

    private func writeQueues(to text: inout MetricsWriter) async throws {
        let backlogs = desk.hosts.map { ($0.id.description, desk.store.backlog(of: $0.id)) }
        text.family("rje_waiting_jobs", .gauge, "Jobs held or queued.")
        for (host, backlog) in backlogs { text.sample([("host", host)], backlog.jobs) }
        text.family("rje_waiting_bytes", .gauge, "Octets of the decks of jobs held or queued.")
        for (host, backlog) in backlogs { text.sample([("host", host)], backlog.octets) }
        let oldest = backlogs.contains { $0.1.jobs > 0 } ? try await desk.store.oldestQueued() : [:]
        let now = desk.clock.now()
        text.family("rje_queue_oldest_seconds", .gauge, "How long the queued job has waited that has waited longest.")
        for host in desk.hosts {
            let age = oldest[host.id].map { max(0, $0.duration(to: now).inSeconds) } ?? 0
            text.sample([("host", host.id.description)], age)
        }
    }

    private func writePools(to text: inout MetricsWriter) {
        let pools = desk.hosts.map { ($0.id.description, $0.pool.status) }
        text.family("rje_host_up", .gauge, "1 while a session with the host is up.")
        for (host, status) in pools { text.sample([("host", host)], status.up > 0 ? 1 : 0) }
        text.family("rje_host_draining", .gauge, "1 while an operator has stopped sending to the host.")
        for (host, status) in pools { text.sample([("host", host)], status.isDraining ? 1 : 0) }
        text.family("rje_pool_connections", .gauge, "Sessions with the host.")
        for (host, status) in pools {
            for (state, count) in [("up", status.up), ("signing-on", status.signingOn), ("closing", status.closing)] {
                text.sample([("host", host), ("state", state)], count)
            }
        }
        text.family("rje_pool_connections_limit", .gauge, "The most sessions there may be now.")
        for (host, status) in pools { text.sample([("host", host)], status.limit) }
        text.family("rje_pool_leases", .gauge, "Slots in use.")
        for (host, status) in pools { text.sample([("host", host)], status.leases) }
        text.family("rje_pool_slots", .gauge, "Slots of the sessions that are up.")
        for (host, status) in pools { text.sample([("host", host)], status.slots) }
        text.family("rje_pool_waiting", .gauge, "Leases that are waited for.")
        for (host, status) in pools { text.sample([("host", host)], status.waiting) }
    }

    private func writeLines(to text: inout MetricsWriter) {
        text.family(
            "rje_line_state", .gauge,
            "Each line there may be to a host: 0 not there, 1 signing on, 2 signed on, 3 closing.")
        for host in desk.hosts {
            let status = host.pool.status
            var states = [Int](repeating: 2, count: status.up) + [Int](repeating: 1, count: status.signingOn)
            states += [Int](repeating: 3, count: status.closing)
            states += [Int](repeating: 0, count: max(0, min(status.limit, Self.mostLines) - states.count))
            for (line, state) in states.prefix(Self.mostLines).enumerated() {
                text.sample([("host", host.id.description), ("line", String(line + 1))], state)
            }
        }
        text.family("rje_line_bytes_total", .counter, "Octets over all lines to hosts.")
        text.sample([("dir", "in")], LineFigures.receivedOctets)
        text.sample([("dir", "out")], LineFigures.sentOctets)
        text.family("rje_line_errors_total", .counter, "Lines that were lost or did not come to be, by why.")
        for host in desk.hosts {
            for (kind, count) in host.pool.errors.sorted(by: { $0.key < $1.key }) {
                text.sample([("host", host.id.description), ("kind", kind)], count)
            }
        }
    }

    /// Lines of one host that are told one by one.
    private static let mostLines = 64

    private func writeDeliveries(_ counts: [DeliveryState: Int], to text: inout MetricsWriter) {
        let now = settings.deliveryMetrics()
        text.single("rje_webhook_pending", .gauge, "Deliveries that are still to be made.", counts[.pending] ?? 0)
        text.family("rje_webhook_deliveries", .gauge, "Deliveries stored, by state.")
        for state in DeliveryState.allCases { text.sample([("state", state.rawValue)], counts[state] ?? 0) }
        text.family("rje_webhook_attempts_total", .counter, "Tries to deliver, by what came of them.")
        for (result, count) in now.attempts.sorted(by: { $0.key < $1.key }) { text.sample([("result", result)], count) }
        text.single("rje_webhook_dead_total", .counter, "Deliveries given up after their last try.", now.dead)
        text.single("rje_webhook_in_flight", .gauge, "Tries under way.", now.inFlight)
        text.single("rje_webhook_unrecorded", .gauge, "Tries made whose result is not committed yet.", now.unrecorded)
        text.single("rje_webhook_open_breakers", .gauge, "Endpoints that are left alone for a while.", now.openBreakers)
    }

    private func writeStore(_ figures: StoreFigures, to text: inout MetricsWriter) {
        text.family("rje_store_commit_seconds", .histogram, "Transactions from their begin until they were durable.")
        text.sample([], figures.commits)
        text.family("rje_store_fsync_seconds", .histogram, "Of that, what writing and syncing the log took.")
        text.sample([], figures.syncs)
        text.single(
            "rje_store_operations_total", .counter, "Changes committed; several share a transaction.",
            figures.operations)
        text.single(
            "rje_store_opening_seconds", .gauge, "What opening the store took at the start.",
            figures.openingTime.inSeconds)
    }
}
