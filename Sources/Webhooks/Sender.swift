import CCurl
import Glibc
package import Lines

/// Sends requests by libcurl, all on one thread. Whom to call and when is decided elsewhere; how many at once as well.
package final class Sender: Sendable {
    private let loop: EventLoop
    private let engine: CurlEngine

    /// Once a process, before its first transfer: with `NOSIGNAL` nobody else guards against SIGPIPE.
    private static let library: CURLcode = {
        _ = signal(SIGPIPE, SIG_IGN)
        return curl_global_init(Int(CURL_GLOBAL_ALL))
    }()

    /// - Throws: `SenderError`, `LineError`.
    package init(settings: SenderSettings = SenderSettings(), filter: AddressFilter) throws {
        guard Self.library == CURLE_OK else {
            throw SenderError.library(String(cString: curl_easy_strerror(Self.library)))
        }
        try Self.claimDescriptors(forCalls: settings.mostInFlight)
        loop = try EventLoop(name: "webhooks")
        engine = CurlEngine(loop: loop, filter: filter, settings: settings)
        loop.start()
    }

    deinit {
        loop.execute { [engine] in engine.shutDown() }
        loop.stop()
    }

    /// Requests from now on go by these; those under way end by the ones they began with.
    package func use(_ settings: SenderSettings, filter: AddressFilter) {
        loop.execute { [engine] in engine.use(settings, filter: filter) }
    }

    /// The thread that sends, for those who only wait for it and then do little.
    var executor: any TaskExecutor { loop }

    /// Returns when the exchange is over, in bounded time, whatever the receiver does.
    package func send(_ request: SendRequest) async -> SendResult {
        await withCheckedContinuation { continuation in
            loop.execute { [engine] in
                engine.start(request) { continuation.resume(returning: $0) }
            }
        }
    }

    /// Ends what is under way: `stopped`.
    package func abandon() {
        loop.execute { [engine] in engine.abandon(.stopped) }
    }

    /// Calls `action` on the sender's thread; it must be quick.
    package func schedule(after delay: Duration, _ action: @escaping @Sendable () -> Void) -> LoopTimer {
        loop.schedule(after: delay, action)
    }

    /// Ends what is under way, closes all connections and lets the thread go.
    package func stop() async {
        loop.execute { [engine] in engine.shutDown() }
        await loop.stopAndWait()
    }

    /// Raises this process's limit of open files, if it must and may.
    static func claimDescriptors(forCalls calls: Int) throws(SenderError) {
        let need = 4 * calls + 1024
        let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(files, &limit) == 0, limit.rlim_cur < rlim_t(need) else { return }
        limit.rlim_cur = min(max(limit.rlim_max, limit.rlim_cur), rlim_t(need))
        guard limit.rlim_cur >= rlim_t(need), setrlimit(files, &limit) == 0 else {
            throw .descriptorLimit(have: Int(clamping: limit.rlim_max), need: need)
        }
    }
}
