import Jobs
package import Lines
import Synchronization

/// A small batch host: a batch system, and the servers through which stations reach it.
///
///     let host = BatchHost(settings)
///     let address = try await host.start()      // takes connections from here on
///     await host.run()                          // serves them, and runs jobs, until stop()
package final class BatchHost: Sendable {
    private let settings: HostSettings
    private let time: HostTime
    private let parts = Mutex<Parts?>(nil)

    private struct Parts: Sendable {
        let batch: BatchSystem
        let server: RJEServer
        let netrjs: NETRJSServer?
        let rfc407: RFC407Server?
        let loops: EventLoopGroup
    }

    package init(_ settings: HostSettings, time: HostTime = .system) {
        self.settings = settings
        self.time = time
    }

    /// Opens the data folder and begins to listen.
    ///
    /// - Returns: the address, with the port that was free when 0 was asked for.
    /// - Throws: `HostFault` for the data folder or the ledger, `LineError` for the address or the certificate.
    package func start() async throws -> SocketAddress {
        let batch = try BatchSystem(
            settings.batch, time: time, directory: settings.dataFolder, ledger: settings.ledgerFile)
        let loops = try EventLoopGroup(count: max(1, settings.loops), name: "host")
        loops.start()
        do {
            let server = try RJEServer(settings, batch: batch, loops: loops.loops)
            let netrjs = try settings.netrjs.map { netrjs throws(LineError) in
                try NETRJSServer(netrjs, users: settings.users, batch: batch, loops: loops.loops)
            }
            let rfc407 = try settings.rfc407.map { own throws(LineError) in
                try RFC407Server(settings, own, batch: batch, loops: loops.loops)
            }
            parts.withLock { $0 = Parts(batch: batch, server: server, netrjs: netrjs, rfc407: rfc407, loops: loops) }
            return server.address
        } catch {
            await loops.stopAndWait()
            throw error
        }
    }

    /// Serves until `stop`. Returns at once when the host was not started.
    package func run() async {
        guard let parts = parts.withLock({ $0 }) else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await parts.batch.run() }
            group.addTask { await parts.server.run() }
            group.addTask { await parts.netrjs?.run() }
            group.addTask { await parts.rfc407?.run() }
        }
        await parts.batch.close()
        await parts.loops.stopAndWait()
    }

    /// Tells the stations 436 SHUTDOWN and ends `run`. With a data folder, jobs that run now run again after the next
    /// start, from their first step.
    package func stop() async {
        guard let parts = parts.withLock({ $0 }) else { return }
        await parts.server.stop()
        await parts.netrjs?.stop()
        await parts.rfc407?.stop()
        parts.batch.stop()
    }

    /// Where RFC 407 is served; nil before `start`, and when it is not.
    package var rfc407Address: SocketAddress? { parts.withLock { $0?.rfc407?.address } }
    /// The queue and the spool; nil before `start`.
    package var batch: BatchSystem? { parts.withLock { $0?.batch } }
    /// Where terminals make contact, in the order of the settings; nil when NETRJS is not served.
    package var netrjsAddresses: [SocketAddress]? { parts.withLock { $0?.netrjs?.addresses } }
    /// Where fixed data ports are: reader, printer, punch.
    package var netrjsDataAddresses: [SocketAddress]? { parts.withLock { $0?.netrjs?.dataAddresses } }
    /// Sessions that are open.
    package var sessionCount: Int { parts.withLock { $0?.server.shared.sessions.count } ?? 0 }
}
