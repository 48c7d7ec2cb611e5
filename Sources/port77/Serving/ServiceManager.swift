import Glibc
import Lines

/// What systemd is told of a service of `Type=notify` (`sd_notify(3)`); without one nothing is said.
struct ServiceManager: Sendable {
    private let socket: NoticeSocket?
    /// How often it wants to hear that we are alive; nil: it does not ask.
    let aliveEvery: Duration?

    init(environment: [String: String], process: pid_t = getpid()) {
        socket = environment["NOTIFY_SOCKET"].flatMap { NoticeSocket($0) }
        let isMeant = environment["WATCHDOG_PID"].map { pid_t($0) == process } ?? true
        // Twice in the time it waits, as the manual advises.
        aliveEvery =
            environment["WATCHDOG_USEC"].flatMap { Int64($0) }.flatMap {
                $0 > 1 && isMeant ? .microseconds($0 / 2) : nil
            }
    }

    func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }
    func stopping(_ status: String) { send("STOPPING=1\nSTATUS=\(status)") }
    func alive() { send("WATCHDOG=1") }

    /// `ready` follows.
    func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        send("RELOADING=1\nMONOTONIC_USEC=\(Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000)")
    }

    private func send(_ text: String) { _ = socket?.send(Array(text.utf8)) }

    /// Says so as long as every loop answers; until cancelled.
    func watch(_ loops: EventLoopGroup) async {
        guard socket != nil, let aliveEvery else { return }
        while !Task.isCancelled {
            for loop in loops.loops { await loop.run {} }
            alive()
            do { try await Task.sleep(for: aliveEvery) } catch { return }
        }
    }
}
