import HTTPCore
import Jobs
import Lines
import Synchronization
import Webhooks

/// Takes webhooks on loopback and checks their signatures, as a customer's receiver would.
final class DemoReceiver: Sendable {
    struct Hook: Sendable {
        let id: String
        let body: String
        let isVerified: Bool
    }

    let url: String
    private let server: Server
    private let loop: EventLoop
    private let hooks: AsyncStream<Hook>

    init(secret: String) throws {
        let verifier = try SignatureVerifier([secret])
        let (hooks, arrived) = AsyncStream<Hook>.makeStream(bufferingPolicy: .bufferingOldest(100))
        self.hooks = hooks
        loop = try EventLoop(name: "receiver")
        loop.start()
        var router = Router()
        router.on(.post, "/hook", name: "hook", body: .upTo(65_536)) { request, body in
            let octets = try await body.collect(upTo: 65_536)
            let id = request["webhook-id"] ?? ""
            let now = WallClock.system.now().microseconds / 1_000_000
            var isVerified = true
            do {
                try verifier.verify(
                    id: id, timestamp: request["webhook-timestamp"] ?? "",
                    signatures: request["webhook-signature"] ?? "", body: octets, now: now)
            } catch {
                isVerified = false
            }
            arrived.yield(Hook(id: id, body: String(decoding: octets, as: UTF8.self), isVerified: isVerified))
            return .empty(isVerified ? 204 : 401)
        }
        server = Server(router: router, loops: [loop])
        let address = try server.listen(on: SocketAddress(.loopback, port: 0))
        url = "http://\(address)/hook"
    }

    func next(within limit: Duration) async -> Hook? {
        await withTaskGroup(of: Hook?.self) { group in
            group.addTask {
                for await hook in self.hooks { return hook }
                return nil
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }

    func stop() async {
        await server.stop(grace: .seconds(1))
        await loop.stopAndWait()
    }
}
