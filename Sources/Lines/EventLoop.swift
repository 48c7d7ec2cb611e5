import CSystem
import Dispatch
import Glibc
import Synchronization

/// What a descriptor is ready for, or what its owner wants to hear of.
package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static let readable = Readiness(rawValue: EPOLLIN.rawValue)
    package static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
    /// An error or a hang-up; always reported, need not be asked for.
    package static let failed = Readiness(rawValue: EPOLLERR.rawValue | EPOLLHUP.rawValue)
}

/// Owner of a descriptor registered with a loop. Both are called on the loop.
package protocol DescriptorHandler: AnyObject {
    /// Level-triggered: called again in the next pass as long as the descriptor stays ready.
    func ready(_ readiness: Readiness)
    /// The loop ends; the descriptor is no longer registered.
    func loopStopped()
}

/// One thread, one epoll; an executor for tasks and for actors.
///
/// A pass of the loop: events of descriptors, timers, messages from other threads, jobs, then the output of every
/// connection that was written to, then the notices of closed connections.
package final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    enum Message: Sendable {
        case job(UnownedJob)
        case isolatedJob(UnownedJob)
        case body(@Sendable () -> Void)
    }

    private enum Life: Sendable { case new, running, stopped }

    private struct Mailbox: Sendable {
        var messages: [Message] = []
        var life = Life.new
        var stopWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private struct Slot {
        var handler: (any DescriptorHandler)?
        var generation: UInt32 = 0
    }

    package let name: String
    private let isolation = IsolationExecutor()
    private let epoll: CInt
    private let bell: CInt
    private let mailbox = Locked(Mailbox())
    /// The thread that counts as the loop; 0 before the start and after the stop.
    private let thread = Atomic<UInt>(0)
    private let stopWanted = Atomic<Bool>(false)
    /// Runs what still arrives after the stop, so that no task hangs and no continuation leaks.
    private let afterlife = DispatchQueue(label: "port77.loop.stopped")

    // From here on: touched on the loop's thread only.
    private var slots: [Slot] = []
    private var jobs: [Message] = []
    private var runningJobs: [Message] = []
    private var received: [Message] = []
    private var timers = TimerHeap()
    private var unflushed: [Connection] = []
    private var ended: [Connection] = []
    /// Nanoseconds of the monotonic clock at the beginning of this pass.
    private(set) var now: Int64 = 0
    /// Every read of every connection lands here first.
    let scratch: UnsafeMutableRawBufferPointer = .allocate(byteCount: 64 * 1024, alignment: 64)
    /// Where TLS leaves the plain text.
    lazy var plainScratch: UnsafeMutableRawBufferPointer = .allocate(byteCount: 32 * 1024, alignment: 64)
    private var usesPlainScratch = false
    let chunks = ChunkPool()

    package init(name: String = "loop") throws(LineError) {
        self.name = name
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw LineError(errno: errno) }
        bell = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard bell >= 0 else {
            let number = errno
            Glibc.close(epoll)
            throw LineError(errno: number)
        }
        control(EPOLL_CTL_ADD, bell, EPOLLIN.rawValue, UInt64(UInt32(bitPattern: bell)))
        now = EventLoop.clock()
        isolation.loop = self
    }

    deinit {
        Glibc.close(epoll)
        Glibc.close(bell)
        scratch.deallocate()
        if usesPlainScratch { plainScratch.deallocate() }
    }

    // MARK: life

    /// Starts the thread. What was enqueued before runs now. A second call does nothing.
    package func start() {
        let begins = mailbox.withLock { mailbox in
            guard mailbox.life == .new else { return false }
            mailbox.life = .running
            return true
        }
        guard begins else { return }
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                let loop = Unmanaged<EventLoop>.fromOpaque(context).takeRetainedValue()
                loop.run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(failure == 0, "no thread for an event loop: error \(failure)")
        pthread_detach(thread)
    }

    /// Asks the loop to end: every connection is closed, every timer given up. Returns at once.
    package func stop() {
        stopWanted.store(true, ordering: .releasing)
        let neverRan = mailbox.withLock { mailbox in
            guard mailbox.life == .new else { return false }
            mailbox.life = .stopped
            return true
        }
        if neverRan { afterlife.async { self.runLeftovers() } } else { ring() }
    }

    /// `stop`, and wait until the thread has let go of everything.
    package func stopAndWait() async {
        stop()
        await withCheckedContinuation { continuation in
            let over = mailbox.withLock { mailbox in
                if mailbox.life == .stopped { return true }
                mailbox.stopWaiters.append(continuation)
                return false
            }
            if over { continuation.resume() }
        }
    }

    /// Whether the caller runs on this loop's thread.
    package var isOnLoop: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    // MARK: executor

    fileprivate func enqueueIsolated(_ job: UnownedJob) { deliver(.isolatedJob(job)) }

    package func enqueue(_ job: consuming ExecutorJob) {
        deliver(.job(UnownedJob(job)))
    }

    /// For actors. Not the loop itself: a task that merely prefers the loop must not be taken for one isolated to it, or
    /// every call of code without isolation sends it once round the queue.
    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { isolation.asUnownedSerialExecutor() }
    package func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }
    package func isIsolatingCurrentContext() -> Bool? { isOnLoop }
    package func checkIsolated() { precondition(isOnLoop, "not on the loop's thread") }

    /// Calls `body` on the loop, soon; also when the caller is on it, then after what it does now.
    package func execute(_ body: @escaping @Sendable () -> Void) {
        deliver(.body(body))
    }

    /// Calls `body` at once when on the loop, otherwise as `execute`.
    package func perform(_ body: @escaping @Sendable () -> Void) {
        if isOnLoop { body() } else { deliver(.body(body)) }
    }

    private func deliver(_ message: Message) {
        if isOnLoop {
            jobs.append(message)
            return
        }
        enum Next { case nothing, ring, runElsewhere }
        let next: Next = mailbox.withLock { mailbox in
            mailbox.messages.append(message)
            if mailbox.life == .stopped { return .runElsewhere }
            return mailbox.messages.count == 1 ? .ring : .nothing
        }
        switch next {
        case .nothing: break
        case .ring: ring()
        case .runElsewhere: afterlife.async { self.runLeftovers() }
        }
    }

    private func ring() {
        var one: UInt64 = 1
        _ = Glibc.write(bell, &one, 8)
    }

    private func perform(_ message: Message) {
        switch message {
        case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
        case .isolatedJob(let job):
            job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
        case .body(let body): body()
        }
    }

    // MARK: timers

    /// Calls `action` on the loop after the time given; from any thread.
    @discardableResult
    package func schedule(after delay: Duration, _ action: @escaping @Sendable () -> Void) -> LoopTimer {
        schedule(after: delay, action, abandon: nil)
    }

    func schedule(
        after delay: Duration, _ action: @escaping @Sendable () -> Void, abandon: (@Sendable () -> Void)?
    ) -> LoopTimer {
        let timer = LoopTimer(loop: self, action: action, abandon: abandon)
        let due = EventLoop.clock() + delay.nanosecondsClamped
        if isOnLoop {
            arm(timer, at: due)
        } else {
            execute { [self] in if !timer.isCancelled { arm(timer, at: due) } }
        }
        return timer
    }

    func arm(_ node: TimerNode, at due: Int64) {
        if stopWanted.load(ordering: .relaxed) { node.abandoned() } else { timers.arm(node, at: due) }
    }

    func disarm(_ node: TimerNode) { timers.remove(node) }

    static func clock() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    // MARK: descriptors

    /// Watches a descriptor, level-triggered. The descriptor stays the caller's. On the loop only.
    package func register(
        descriptor: CInt, interest: Readiness, handler: any DescriptorHandler
    ) throws(LineError) {
        assert(isOnLoop)
        guard descriptor >= 0 else { throw .system(EBADF) }
        guard !stopWanted.load(ordering: .relaxed) else { throw .closed }
        let index = Int(descriptor)
        while slots.count <= index { slots.append(Slot()) }
        slots[index].handler = handler
        slots[index].generation = max(1, slots[index].generation &+ 1)  // 0 is the bell
        let tag = UInt64(slots[index].generation) << 32 | UInt64(UInt32(bitPattern: descriptor))
        var result = control(EPOLL_CTL_ADD, descriptor, interest.rawValue, tag)
        // A descriptor that a library gave up and took again without telling us.
        if result < 0, errno == EEXIST { result = control(EPOLL_CTL_MOD, descriptor, interest.rawValue, tag) }
        guard result == 0 else {
            let number = errno
            slots[index].handler = nil
            throw LineError(errno: number)
        }
    }

    package func modify(descriptor: CInt, interest: Readiness) {
        assert(isOnLoop)
        let index = Int(descriptor)
        guard slots.indices.contains(index), slots[index].handler != nil else { return }
        let tag = UInt64(slots[index].generation) << 32 | UInt64(UInt32(bitPattern: descriptor))
        control(EPOLL_CTL_MOD, descriptor, interest.rawValue, tag)
    }

    /// No event of this descriptor is delivered afterwards, not even one of the pass that runs.
    package func unregister(descriptor: CInt) {
        assert(isOnLoop)
        let index = Int(descriptor)
        guard slots.indices.contains(index), slots[index].handler != nil else { return }
        slots[index].handler = nil
        control(EPOLL_CTL_DEL, descriptor, 0, 0)
    }

    @discardableResult
    private func control(_ operation: Int32, _ descriptor: CInt, _ events: UInt32, _ tag: UInt64) -> CInt {
        var event = epoll_event()
        event.events = events
        event.data.u64 = tag
        return epoll_ctl(epoll, operation, descriptor, &event)
    }

    // MARK: connections

    /// The connection has output, or input held back, for the end of this pass.
    func flushLater(_ connection: Connection) { unflushed.append(connection) }
    /// The connection is closed; its handler hears of it at the end of this pass.
    func announceEnd(_ connection: Connection) { ended.append(connection) }
    var tlsScratch: UnsafeMutableRawBufferPointer {
        usesPlainScratch = true
        return plainScratch
    }

    // MARK: the loop

    private func run() {
        blockSignals()
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        let capacity = 256
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: capacity)
        defer { events.deallocate() }
        takeMail()
        while !stopWanted.load(ordering: .acquiring) {
            let count = epoll_wait(epoll, events, Int32(capacity), patience())
            now = EventLoop.clock()
            if count > 0 { for index in 0..<Int(count) { dispatch(events[index]) } }
            finishPass()
        }
        shutDown()
    }

    /// Milliseconds to sleep: none with work at hand, otherwise until the next timer.
    private func patience() -> Int32 {
        if !jobs.isEmpty || !unflushed.isEmpty || !ended.isEmpty { return 0 }
        guard let due = timers.nextDue else { return -1 }
        let wait = due - EventLoop.clock()
        return wait <= 0 ? 0 : Int32(min((wait + 999_999) / 1_000_000, 60_000))
    }

    private func dispatch(_ event: epoll_event) {
        let tag = event.data.u64
        let index = Int(tag & 0xFFFF_FFFF)
        let generation = UInt32(truncatingIfNeeded: tag >> 32)
        if generation == 0 {
            var value: UInt64 = 0
            _ = Glibc.read(bell, &value, 8)
            takeMail()
            return
        }
        guard index < slots.count, slots[index].generation == generation, let handler = slots[index].handler else {
            return
        }
        handler.ready(Readiness(rawValue: event.events))
    }

    private func takeMail() {
        mailbox.withLock { swap(&$0.messages, &received) }
        jobs.append(contentsOf: received)
        received.removeAll(keepingCapacity: received.count < 1024)
    }

    private static let mostTimersInPass = 16
    private static let mostRoundsInPass = 8

    private func finishPass() {
        // Thousands may be due at once; the sockets do not wait for all of them.
        var fired = 0
        while fired < Self.mostTimersInPass, let timer = timers.popDue(now) {
            fired += 1
            timer.fire()
        }
        // Jobs that jobs enqueue run in the same pass, some rounds long: the answer of a handler that does not
        // really wait leaves at once, and two tasks that wake each other do not keep the sockets waiting.
        var rounds = 0
        while !jobs.isEmpty, rounds < Self.mostRoundsInPass {
            rounds += 1
            runJobs()
        }
        if !unflushed.isEmpty {
            let batch = exchange(&unflushed, [])
            for connection in batch { connection.service() }
        }
        announceEnds()
    }

    private func runJobs() {
        swap(&jobs, &runningJobs)
        for message in runningJobs { perform(message) }
        runningJobs.removeAll(keepingCapacity: runningJobs.count < 1024)
    }

    private func announceEnds() {
        guard !ended.isEmpty else { return }
        let batch = exchange(&ended, [])
        for connection in batch { connection.announceEnd() }
    }

    private func shutDown() {
        for index in slots.indices {
            guard let handler = slots[index].handler else { continue }
            slots[index].handler = nil
            control(EPOLL_CTL_DEL, CInt(index), 0, 0)
            handler.loopStopped()
        }
        while let timer = timers.popDue(.max) { timer.abandoned() }
        // Whoever was told may answer with more work; it runs here until nothing is left.
        while true {
            announceEnds()
            takeMail()
            runJobs()
            if !jobs.isEmpty || !ended.isEmpty { continue }
            let waiters = mailbox.withLock { mailbox -> [CheckedContinuation<Void, Never>]? in
                guard mailbox.messages.isEmpty else { return nil }
                mailbox.life = .stopped
                return exchange(&mailbox.stopWaiters, [])
            }
            guard let waiters else { continue }
            thread.store(0, ordering: .relaxed)
            for waiter in waiters { waiter.resume() }
            return
        }
    }

    /// On `afterlife`, one call at a time: its thread counts as the loop meanwhile.
    private func runLeftovers() {
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        repeat {
            takeMail()
            runJobs()
            announceEnds()
        } while !jobs.isEmpty || !ended.isEmpty
        thread.store(0, ordering: .relaxed)
    }

    /// Signals belong to the main thread, but for those that report a fault of this one.
    private func blockSignals() {
        var set = sigset_t()
        sigfillset(&set)
        for fault in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS, SIGPROF] { sigdelset(&set, fault) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }
}

/// The loop as the executor of actors.
private final class IsolationExecutor: SerialExecutor {
    // Owned by the loop; an actor on it keeps the loop, as with any executor.
    // Set once, before the loop is handed out.
    nonisolated(unsafe) unowned var loop: EventLoop!

    func enqueue(_ job: consuming ExecutorJob) { loop.enqueueIsolated(UnownedJob(job)) }
    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
    func isIsolatingCurrentContext() -> Bool? { loop.isOnLoop }
    func checkIsolated() { loop.checkIsolated() }
}

/// Puts the new value in and returns the old one.
func exchange<Value>(_ place: inout Value, _ new: consuming Value) -> Value {
    let old = place
    place = new
    return old
}
