import Glibc
import Jobs

/// What `/proc` tells of this process, by the names of Prometheus's client libraries.
enum ProcessFigures {
    static func write(startedAt: Timestamp, to text: inout MetricsWriter) {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        text.single(
            "process_cpu_seconds_total", .counter, "Processor time.", seconds(usage.ru_utime) + seconds(usage.ru_stime)
        )
        let pages = read("/proc/self/statm").split(separator: " ").dropFirst().first.flatMap { Int($0) }
        if let pages {
            text.single(
                "process_resident_memory_bytes", .gauge, "Resident memory.", pages * Int(sysconf(Int32(_SC_PAGESIZE))))
        }
        if let open = openFiles() { text.single("process_open_fds", .gauge, "Open file descriptors.", open) }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            text.single("process_max_fds", .gauge, "The most there may be.", limit.rlim_cur)
        }
        text.single(
            "process_start_time_seconds", .gauge, "When the gateway began, in seconds since 1970.",
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
