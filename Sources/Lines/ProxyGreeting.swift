import CSystem
import Glibc

/// Waits for the PROXY header of a connection that a proxy has opened, then lets the connection in under its client's
/// address. Exactly the header is taken from the socket. Confined to the loop.
final class ProxyGreeting: DescriptorHandler, @unchecked Sendable {
    static let limit: Duration = .seconds(10)

    private let loop: EventLoop
    private var descriptor: CInt
    private var header: [UInt8] = []
    private var timer: LoopTimer?
    private let done: (ProxyGreeting, CInt, ProxyHeader?) -> Void

    /// - Parameter done: once, with the descriptor, which is the caller's then; without a header it is to be closed.
    init(descriptor: CInt, loop: EventLoop, done: @escaping (ProxyGreeting, CInt, ProxyHeader?) -> Void) {
        self.descriptor = descriptor
        self.loop = loop
        self.done = done
    }

    func start() {
        do {
            try loop.register(descriptor: descriptor, interest: .readable, handler: self)
        } catch {
            end(nil)
            return
        }
        timer = loop.schedule(after: ProxyGreeting.limit) { [weak self] in self?.finish(nil) }
        ready(.readable)
    }

    func ready(_ readiness: Readiness) {
        while descriptor >= 0 {
            guard let wanted = try? ProxyHeader.length(of: header) ?? ProxyHeader.fixedLength else {
                return finish(nil)
            }
            if wanted == header.count {
                finish(try? ProxyHeader(header))
                return
            }
            let room = wanted - header.count
            var piece = [UInt8](repeating: 0, count: room)
            let count = recv(descriptor, &piece, room, 0)
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            guard count > 0 else { return finish(nil) }
            header += piece.prefix(count)
        }
    }

    func loopStopped() { end(nil) }

    private func finish(_ result: ProxyHeader?) {
        guard descriptor >= 0 else { return }
        loop.unregister(descriptor: descriptor)
        end(result)
    }

    private func end(_ result: ProxyHeader?) {
        guard descriptor >= 0 else { return }
        timer?.cancel()
        let mine = descriptor
        descriptor = -1
        done(self, mine, result)
    }
}
