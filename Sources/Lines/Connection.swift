import CSystem
import Glibc

// The seam between the loop and whoever speaks a protocol over a TCP connection.
//
// * Everything happens on the connection's loop: its methods are called there, and the handler is called there.
// * `received` lends the bytes for the time of the call. The handler takes all of them (keeps a copy of what it cannot
//   use yet); `pauseReading` holds from the next piece on. With TLS they are plain text.
// * Inside any call the handler may write, pause, move the deadline, close. Nothing calls back into it from there:
//   `drained` comes from the loop, `closed` at the end of the loop's pass. After `close` (any kind) only `closed` comes.
// * What is written leaves when `received` has returned, or at the end of the loop's pass, everything in as few
//   segments as possible. Arrays of 4 KiB and more are queued as they are; smaller pieces are packed together.
// * `closed` comes exactly once, as the last call, for every connection that had a handler, whoever closed it.
// * The connection keeps its handler alive until `closed`; the handler may keep the connection as long as it likes.

/// What a protocol hears from its connection.
package protocol ConnectionHandler: AnyObject {
    /// Connected, and with TLS: the handshake is done. For accepted plain connections in the pass that accepted them.
    func connected()
    func received(_ bytes: UnsafeRawBufferPointer)
    /// The output, which had been above `highWatermark`, is at or below `lowWatermark`.
    func drained()
    /// All that was written has been taken by the kernel; after `notifyWhenSent`, once.
    func sent()
    /// The peer has sent all it will send (FIN, or TLS close_notify). Its reading side may be open still.
    func peerFinished()
    /// The time of `setDeadline` is up. It is not set again.
    func deadlinePassed()
    /// The descriptor is gone.
    func closed(_ cause: CloseCause)
}

extension ConnectionHandler {
    package func connected() {}
    package func drained() {}
    package func sent() {}
    package func deadlinePassed() {}
}

package enum CloseCause: Equatable, Sendable {
    /// By `close`, or one of its gentle forms.
    case local
    /// Both sides have finished sending.
    case finished
    /// Broken, or its loop was stopped (`.closed`), or nothing moved for too long (`.deadline`).
    case failed(LineError)
}

/// One TCP connection on one loop; see the contract above.
package final class Connection: TimerNode, DescriptorHandler, @unchecked Sendable {
    enum Phase { case connecting, handshaking, open, flushing, lingering, closed }

    /// How long the peer may take none of the queued output before the connection is reset.
    package static let defaultStallLimit: Duration = .seconds(30)
    static let handshakeLimit: Duration = .seconds(10)

    package let loop: EventLoop
    /// The other end, IPv4 as such even when the socket is IPv6.
    package let peer: SocketAddress?
    package let isTLS: Bool
    /// Who the peer is by its certificate; nil before the handshake, and when it showed none.
    package var tlsPeer: TLSPeer? { tls?.peer }
    package var highWatermark = 256 * 1024
    package var lowWatermark = 64 * 1024

    var descriptor: CInt
    var phase: Phase
    var handler: (any ConnectionHandler)?
    let tls: TLSSession?
    var output: OutgoingQueue

    var isPaused = false
    var peerHasFinished = false
    var finishWanted = false
    var hasFinishedSending = false
    var isBlocked = false
    var isCongested = false
    var wantsSentNotice = false
    var isQueuedForFlush = false
    var isRegistered = false
    var interest: Readiness = []
    var lingerBytes = 0
    var cause: CloseCause = .local
    /// Inside `ready` or `service`, which flush at their end anyway.
    var isServicing = false
    /// Who accepted it, and counts it.
    var acceptor: Acceptor?
    var wasRefused = false
    /// The client it is counted for.
    var countsAs: IPAddress?

    // Three reasons for a timer in one: the handler's deadline, output that does not move, connect/handshake/linger.
    var deadlineAt: Int64 = .max
    var stallAt: Int64 = .max
    var phaseAt: Int64 = .max
    var stallNanoseconds = Connection.defaultStallLimit.nanosecondsClamped

    /// Takes the descriptor over. `begin` must follow, on the loop.
    init(descriptor: CInt, loop: EventLoop, peer: SocketAddress?, phase: Phase, tls: TLSSession?) {
        self.descriptor = descriptor
        self.loop = loop
        self.peer = peer
        self.phase = phase
        self.tls = tls
        isTLS = tls != nil
        output = OutgoingQueue(pool: loop.chunks)
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    // MARK: state

    package var isClosed: Bool { phase == .closed }
    /// Open for writing: neither closed nor closing nor finished.
    package var isOpen: Bool {
        (phase == .open || phase == .handshaking || phase == .connecting) && !finishWanted
    }
    /// Bytes written and not yet taken by the kernel.
    package var bufferedBytes: Int { output.count + (tls?.plain.count ?? 0) }
    /// Whether the output stands above the high watermark, or has since then not fallen to the low one.
    package var isCongestedNow: Bool { isCongested }
    /// Replaces the handler, for instance when one protocol hands the connection to another.
    package func setHandler(_ handler: any ConnectionHandler) {
        assert(loop.isOnLoop)
        if phase != .closed { self.handler = handler }
    }

    // MARK: writing

    /// Queues a copy. What is written to a connection that is no longer open is dropped.
    package func write(_ bytes: UnsafeRawBufferPointer) {
        guard isOpen, !bytes.isEmpty else { return }
        if let tls { tls.plain.append(bytes) } else { output.append(bytes) }
        wrote()
    }

    /// Queues the array itself when it is large, a copy when it is small.
    package func write(_ bytes: [UInt8]) {
        guard isOpen, !bytes.isEmpty else { return }
        if let tls { tls.plain.append(bytes) } else { output.append(bytes) }
        wrote()
    }

    package func write(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBytes { write($0) }
    }

    package func write(_ text: StaticString) {
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package func write(_ text: String) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    /// Lets `body` write in place: it gets room for at least `bytes` (up to 16 KiB) and returns how many it filled.
    package func write(atMost bytes: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int) {
        guard isOpen else { return }
        if let tls {
            tls.plain.commit(body(tls.plain.reserve(bytes)))
        } else {
            output.commit(body(output.reserve(bytes)))
        }
        wrote()
    }

    /// Asks for one `sent` when nothing written is waiting any more; it comes from the loop even if that is so already.
    package func notifyWhenSent() {
        guard phase != .closed else { return }
        wantsSentNotice = true
        serviceLater()
    }

    private func wrote() {
        if bufferedBytes > highWatermark { isCongested = true }
        if !isBlocked, !isServicing { serviceLater() }
    }

    // MARK: reading

    /// No more `received` after the call that is running; the kernel's window then slows the peer.
    package func pauseReading() { isPaused = true }

    package func resumeReading() {
        guard isPaused else { return }
        isPaused = false
        serviceLater()
    }

    // MARK: deadlines

    /// Sets, moves or (nil) lifts the handler's deadline. Cheap enough for every request: moving it later costs nothing.
    package func setDeadline(_ limit: Duration?) {
        guard phase == .open || phase == .handshaking || phase == .connecting else { return }
        deadlineAt = limit.map { loop.now + $0.nanosecondsClamped } ?? .max
        armTimer()
    }

    /// How long queued output may stand still before the connection is reset; 30 s unless set.
    package func setStallLimit(_ limit: Duration) { stallNanoseconds = limit.nanosecondsClamped }

    // MARK: closing

    /// At once; what is queued is dropped.
    package func close() { end(.local) }

    /// At once and with a reset, so that the peer cannot take what it has for the whole.
    package func reset() {
        setOption(SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0))
        end(.local)
    }

    /// Whether the peer sees a reset when this end is closed, also by the death of the process. For protocols in which an
    /// orderly end says that everything was stored.
    package func setResetsWhenAbandoned(_ resets: Bool) {
        setOption(SOL_SOCKET, SO_LINGER, linger(l_onoff: resets ? 1 : 0, l_linger: 0))
    }

    /// Sends what is queued, then closes. Nothing more is read; a peer that still sends gets a reset: see `lingerClose`.
    package func closeAfterFlush() {
        guard isOpen || phase == .open else { return }
        if phase != .open {
            end(.local)
            return
        }
        phase = .flushing
        deadlineAt = .max
        tls?.closesAfterPlain = true
        serviceLater()
    }

    /// Sends what is queued, finishes sending, and reads and drops what still comes, up to `bytes` or `limit`, so that
    /// the peer gets to read the answer before a reset destroys it.
    package func lingerClose(dropping bytes: Int = 1 << 20, within limit: Duration = .seconds(2)) {
        guard phase == .open else {
            if phase != .flushing, phase != .lingering { end(.local) }
            return
        }
        if peerHasFinished {
            closeAfterFlush()
            return
        }
        phase = .lingering
        deadlineAt = .max
        isPaused = false
        lingerBytes = bytes
        finishWanted = true
        phaseAt = loop.now + limit.nanosecondsClamped
        armTimer()
        serviceLater()
    }

    /// Half-close: the peer sees the end after what is queued; reading goes on. When the peer has finished as well the
    /// connection closes itself.
    package func shutdownSending() {
        guard isOpen else { return }
        finishWanted = true
        serviceLater()
    }

    // MARK: options

    func setOption<Value: BitwiseCopyable>(_ level: Int32, _ name: Int32, _ value: Value) {
        guard descriptor >= 0 else { return }
        var value = value
        setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Value>.size))
    }

    // MARK: ending

    func end(_ cause: CloseCause) {
        guard phase != .closed else { return }
        assert(loop.isOnLoop)
        phase = .closed
        self.cause = cause
        if isRegistered { loop.unregister(descriptor: descriptor) }
        isRegistered = false
        Glibc.close(descriptor)
        descriptor = -1
        output.removeAll()
        tls?.plain.removeAll()
        loop.disarm(self)
        acceptor?.ended(self)
        acceptor = nil
        loop.announceEnd(self)
    }

    func announceEnd() {
        let handler = handler
        self.handler = nil
        handler?.closed(cause)
    }

    package func loopStopped() {
        isRegistered = false
        end(.failed(.closed))
    }

    override func fire() { timePassed() }
    override func abandoned() { end(.failed(.closed)) }
}
