@preconcurrency import Dispatch
import Glibc

/// Signals as a stream.
enum Signals {
    /// SIGTERM, SIGINT, and those named.
    static func stream(and more: CInt...) -> AsyncStream<CInt> {
        signal(SIGPIPE, SIG_IGN)
        // A file that may not grow is an error of the write, like a full disk.
        signal(SIGXFSZ, SIG_IGN)
        return AsyncStream { continuation in
            let sources = ([SIGTERM, SIGINT] + more).map { number in
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler { continuation.yield(number) }
                source.resume()
                return source
            }
            continuation.onTermination = { _ in for source in sources { source.cancel() } }
        }
    }

    /// Uses each kind of timer once. libdispatch opens their descriptors at the first use and ends the process when it cannot:
    /// a gateway that meets the limit of its descriptors later has them already.
    static func openTimers() async {
        try? await ContinuousClock().sleep(for: .nanoseconds(1))
        try? await SuspendingClock().sleep(for: .nanoseconds(1))
    }

    /// Descriptors for the connections, lines, files and webhooks that the limits allow.
    static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
