import Engine
import Glibc
import HTTPCore
import Jobs
import Stations
import Stores

/// Writes the Prometheus text format 0.0.4.
struct MetricsWriter {
    private(set) var bytes: [UInt8] = []

    mutating func family(_ name: String, _ type: String, _ help: String) {
        bytes += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n".utf8
    }

    mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: some CustomStringConvertible) {
        bytes += name.utf8
        if !labels.isEmpty {
            let text = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
            bytes += "{\(text)}".utf8
        }
        bytes += " \(value.description)\n".utf8
    }

    mutating func single(
        _ name: String, _ type: String, _ help: String, _ value: some CustomStringConvertible
    ) {
        family(name, type, help)
        sample(name, [], value)
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}

extension Gateway {
    func metrics() async throws -> [UInt8] {
        var text = MetricsWriter()
        let now = figures.now
        writeRequests(now, to: &text)
        writeJobs(try await desk.store.jobCounts(), now, to: &text)
        writePools(to: &text)
        writeDeliveries(try await desk.store.deliveryCounts(), to: &text)
        text.single("rje_event_streams", "gauge", "Event streams being served.", now.streams)
        text.single("rje_waiters", "gauge", "Requests and streams that wait for a commit.", desk.watch.count)
        text.single(
            "rje_events_sequence", "counter", "Number of the last committed event.", try await desk.store.lastSequence()
        )
        try await writeStorage(to: &text)
        text.family("rje_build_info", "gauge", "Version of the gateway.")
        text.sample("rje_build_info", [("version", settings.version)], 1)
        ProcessFigures.write(startedAt: figures.startedAt, to: &text)
        return text.bytes
    }

    private func writeRequests(_ now: Figures.State, to text: inout MetricsWriter) {
        text.family("rje_http_requests_total", "counter", "Answered requests.")
        let order = now.requests.sorted {
            ($0.key.route, $0.key.method, $0.key.status) < ($1.key.route, $1.key.method, $1.key.status)
        }
        for (key, count) in order {
            text.sample(
                "rje_http_requests_total",
                [("route", key.route), ("method", key.method), ("code", String(key.status))], count)
        }
        text.family("rje_http_request_duration_seconds", "histogram", "From the complete head to the answer's end.")
        for (route, timing) in now.timings.sorted(by: { $0.key < $1.key }) {
            let name = "rje_http_request_duration_seconds"
            var sum: UInt64 = 0
            for (bound, count) in zip(Figures.bounds, timing.buckets) {
                sum += count
                text.sample(name + "_bucket", [("route", route), ("le", bound.description)], sum)
            }
            text.sample(name + "_bucket", [("route", route), ("le", "+Inf")], timing.count)
            text.sample(name + "_sum", [("route", route)], timing.seconds)
            text.sample(name + "_count", [("route", route)], timing.count)
        }
        text.family("rje_http_body_bytes_total", "counter", "Octets of bodies, without framing.")
        text.sample("rje_http_body_bytes_total", [("dir", "in")], now.receivedOctets)
        text.sample("rje_http_body_bytes_total", [("dir", "out")], now.sentOctets)
    }

    private func writeJobs(_ counts: [JobCount], _ now: Figures.State, to text: inout MetricsWriter) {
        text.family("rje_jobs", "gauge", "Jobs stored, by host and state.")
        for count in counts.sorted(by: { ($0.host, $0.state.rawValue) < ($1.host, $1.state.rawValue) }) {
            text.sample("rje_jobs", [("host", count.host.description), ("state", count.state.rawValue)], count.count)
        }
        text.single("rje_jobs_submitted_total", "counter", "Jobs taken since the start.", now.submitted)
    }

    private func writePools(to text: inout MetricsWriter) {
        let pools = desk.hosts.map { ($0.id.description, $0.pool.status) }
        text.family("rje_host_up", "gauge", "1 while a session with the host is up.")
        for (host, status) in pools { text.sample("rje_host_up", [("host", host)], status.up > 0 ? 1 : 0) }
        text.family("rje_host_draining", "gauge", "1 while an operator has stopped sending to the host.")
        for (host, status) in pools { text.sample("rje_host_draining", [("host", host)], status.isDraining ? 1 : 0) }
        text.family("rje_waiting_jobs", "gauge", "Jobs held or queued.")
        for host in desk.hosts {
            text.sample("rje_waiting_jobs", [("host", host.id.description)], desk.store.backlog(of: host.id).jobs)
        }
        text.family("rje_waiting_bytes", "gauge", "Octets of the decks of jobs held or queued.")
        for host in desk.hosts {
            text.sample("rje_waiting_bytes", [("host", host.id.description)], desk.store.backlog(of: host.id).octets)
        }
        text.family("rje_pool_connections", "gauge", "Sessions with the host.")
        for (host, status) in pools {
            for (state, count) in [("up", status.up), ("signing-on", status.signingOn), ("closing", status.closing)] {
                text.sample("rje_pool_connections", [("host", host), ("state", state)], count)
            }
        }
        text.family("rje_pool_connections_limit", "gauge", "The most sessions there may be now.")
        for (host, status) in pools { text.sample("rje_pool_connections_limit", [("host", host)], status.limit) }
        text.family("rje_pool_leases", "gauge", "Slots in use.")
        for (host, status) in pools { text.sample("rje_pool_leases", [("host", host)], status.leases) }
        text.family("rje_pool_waiting", "gauge", "Leases that are waited for.")
        for (host, status) in pools { text.sample("rje_pool_waiting", [("host", host)], status.waiting) }
    }

    private func writeDeliveries(_ counts: [DeliveryState: Int], to text: inout MetricsWriter) {
        text.single("rje_webhook_pending", "gauge", "Deliveries that are still to be made.", counts[.pending] ?? 0)
        text.family("rje_webhook_deliveries", "gauge", "Deliveries stored, by state.")
        for state in DeliveryState.allCases {
            text.sample("rje_webhook_deliveries", [("state", state.rawValue)], counts[state] ?? 0)
        }
    }
}

/// What `/proc` tells of this process, by the names of Prometheus's client libraries.
enum ProcessFigures {
    static func write(startedAt: Timestamp, to text: inout MetricsWriter) {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        text.single(
            "process_cpu_seconds_total", "counter", "Processor time.", seconds(usage.ru_utime) + seconds(usage.ru_stime)
        )
        let pages = read("/proc/self/statm").split(separator: " ").dropFirst().first.flatMap { Int($0) }
        if let pages {
            text.single(
                "process_resident_memory_bytes", "gauge", "Resident memory.", pages * Int(sysconf(Int32(_SC_PAGESIZE))))
        }
        if let open = openFiles() { text.single("process_open_fds", "gauge", "Open file descriptors.", open) }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            text.single("process_max_fds", "gauge", "The most there may be.", limit.rlim_cur)
        }
        text.single(
            "process_start_time_seconds", "gauge", "When the gateway began, in seconds since 1970.",
            Double(startedAt.microseconds) / 1e6)
    }

    private static func read(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var octets = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &octets, octets.count)
        return String(decoding: octets[..<max(0, count)], as: UTF8.self)
    }

    private static func openFiles() -> Int? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return max(0, count - 3)  // . and .. and the folder itself
    }
}
