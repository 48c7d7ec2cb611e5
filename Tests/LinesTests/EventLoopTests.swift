import CSystem
import Glibc
import Lines
import Synchronization
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1)))
struct EventLoopTests {
    @Test func `bodies run on the loop in the order in which one thread hands them in`() async {
        let loop = TestLoops.one
        let seen = Locked<[Int]>([])
        for number in 0..<1000 { loop.execute { seen.withLock { $0.append(loop.isOnLoop ? number : -1) } } }
        await loop.run {}
        #expect(seen.withLock { $0 } == Array(0..<1000))
    }

    @Test func `what is executed on the loop runs after what runs now`() async {
        let loop = TestLoops.one
        let seen = Locked<[Int]>([])
        await withCheckedContinuation { done in
            loop.execute {
                loop.execute {
                    seen.withLock { $0.append(2) }
                    done.resume()
                }
                loop.perform { seen.withLock { $0.append(0) } }
                seen.withLock { $0.append(1) }
            }
        }
        #expect(seen.withLock { $0 } == [0, 1, 2])
    }

    @Test func `a thousand timers that are due at once let others in between`() async {
        let loop = TestLoops.one
        let fired = Locked(0)
        let before = await withCheckedContinuation { done in
            loop.execute {
                for number in 0..<1000 {
                    loop.schedule(after: .zero) {
                        fired.withLock { $0 += 1 }
                        if number == 0 { loop.execute { done.resume(returning: fired.withLock { $0 }) } }
                    }
                }
            }
        }
        #expect(before < 1000)
        while fired.withLock({ $0 }) < 1000 { await loop.run {} }
    }

    @Test func `bodies from many threads all run`() async {
        let loop = TestLoops.one
        let count = Locked(0)
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<5000 { loop.execute { count.withLock { $0 += 1 } } } }
            }
        }
        await loop.run {}
        #expect(count.withLock { $0 } == 40_000)
    }

    @Test func `an actor whose executor is a loop runs on its thread`() async {
        actor OnLoop {
            let loop: EventLoop
            nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
            var count = 0
            init(_ loop: EventLoop) { self.loop = loop }
            func isAtHome() -> Bool { loop.isOnLoop }
            func waitAndCount() async throws -> Bool {
                try await loop.sleep(for: .microseconds(100))
                count += 1
                return loop.isOnLoop
            }
            nonisolated func fromCallback() -> Int { assumeIsolated { $0.count } }
        }
        let loop = TestLoops.one
        let actor = OnLoop(loop)
        #expect(await actor.isAtHome())
        let all = await withTaskGroup { group in
            for _ in 0..<100 { group.addTask { (try? await actor.waitAndCount()) ?? false } }
            return await group.reduce(true) { $0 && $1 }
        }
        #expect(all)
        #expect(await loop.run { actor.fromCallback() } == 100)
    }

    @Test func `a task that prefers a loop runs on its thread, also after a wait`() async throws {
        let loop = TestLoops.one
        let task = Task(executorPreference: loop) {
            var places = [loop.isOnLoop]
            try await loop.sleep(for: .milliseconds(1))
            places.append(loop.isOnLoop)
            await Task.yield()
            places.append(loop.isOnLoop)
            return places
        }
        #expect(try await task.value == [true, true, true])
    }

    @Test func `timers fire in the order of their times, and never early`() async {
        struct Fired: Sendable { let earliest, latest, at: ContinuousClock.Instant }
        let loop = TestLoops.one
        let seen = Locked<[Fired]>([])
        await withCheckedContinuation { done in
            loop.execute {
                for number in (1...300).shuffled() {
                    let delay = Duration.microseconds(number * 100)
                    let made = Locked<ContinuousClock.Instant?>(nil)
                    let earliest = ContinuousClock.now + delay
                    loop.schedule(after: delay) {
                        let latest = made.withLock { $0 } ?? earliest
                        seen.withLock { $0.append(Fired(earliest: earliest, latest: latest, at: .now)) }
                        if seen.withLock({ $0.count }) == 300 { done.resume() }
                    }
                    made.withLock { $0 = ContinuousClock.now + delay }
                }
            }
        }
        let fired = seen.withLock { $0 }
        #expect(fired.allSatisfy { $0.at >= $0.earliest })
        #expect(zip(fired, fired.dropFirst()).allSatisfy { $0.earliest <= $1.latest })
    }

    @Test func `a cancelled timer does not fire, its neighbours do`() async {
        let loop = TestLoops.one
        let seen = Locked<Set<Int>>([])
        await withCheckedContinuation { done in
            loop.execute {
                let timers = (0..<300).map { number in
                    loop.schedule(after: .microseconds(1000 + number)) { seen.withLock { _ = $0.insert(number) } }
                }
                for number in stride(from: 0, to: 300, by: 3) { timers[number].cancel() }
                loop.schedule(after: .milliseconds(5)) { done.resume() }
            }
        }
        #expect(seen.withLock { $0 } == Set((0..<300).filter { $0 % 3 != 0 }))
    }

    @Test func `a timer is cancelled from another thread before it was armed`() async {
        let loop = TestLoops.one
        let fired = Locked(false)
        loop.schedule(after: .milliseconds(2)) { fired.withLock { $0 = true } }.cancel()
        try? await loop.sleep(for: .milliseconds(5))
        #expect(!fired.withLock { $0 })
    }

    @Test func `a cancelled sleep ends at once`() async {
        let loop = TestLoops.one
        let task = Task { try await loop.sleep(for: .seconds(3600)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func `a stopped loop ends sleeps and still runs what comes late`() async throws {
        let loop = try EventLoop(name: "short")
        loop.start()
        let sleeper = Task { try await loop.sleep(for: .seconds(3600)) }
        _ = await loop.run { 1 }
        await loop.stopAndWait()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
        #expect(await loop.run { loop.isOnLoop })
        await #expect(throws: CancellationError.self) { try await loop.sleep(for: .seconds(3600)) }
        let late = Task(executorPreference: loop) { 7 }
        #expect(await late.value == 7)
    }

    @Test func `a loop that never started runs its work when it is stopped`() async throws {
        let loop = try EventLoop(name: "unborn")
        let ran = Locked(false)
        loop.execute { ran.withLock { $0 = true } }
        await loop.stopAndWait()
        await loop.run {}
        #expect(ran.withLock { $0 })
    }

    @Test func `a foreign descriptor is watched level by level, and no more when taken off`() async throws {
        final class Watcher: DescriptorHandler, @unchecked Sendable {
            let calls = Locked<[Readiness]>([])
            let third = Locked<CheckedContinuation<Void, Never>?>(nil)
            func ready(_ readiness: Readiness) {
                let count = calls.withLock { calls in
                    calls.append(readiness)
                    return calls.count
                }
                if count == 3 { third.withLock { $0 }?.resume() }
            }
            func loopStopped() {}
        }
        let loop = TestLoops.one
        var pair: (CInt, CInt) = (-1, -1)
        let made = withUnsafeMutablePointer(to: &pair) {
            $0.withMemoryRebound(to: CInt.self, capacity: 2) {
                socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, $0)
            }
        }
        try #require(made == 0)
        let (near, far) = pair
        defer {
            close(near)
            close(far)
        }
        let watcher = Watcher()
        await withCheckedContinuation { continuation in
            watcher.third.withLock { $0 = continuation }
            loop.execute {
                try? loop.register(descriptor: near, interest: .readable, handler: watcher)
                _ = write(far, "x", 1)
            }
        }
        await loop.run { loop.modify(descriptor: near, interest: .writable) }
        let before = watcher.calls.withLock { $0.count }
        try await loop.sleep(for: .milliseconds(1))
        await loop.run { loop.unregister(descriptor: near) }
        let after = watcher.calls.withLock { $0 }
        #expect(after.prefix(3).allSatisfy { $0 == .readable })
        #expect(after.count > before)
        #expect(after.last == .writable)
        try await loop.sleep(for: .milliseconds(2))
        #expect(watcher.calls.withLock { $0.count } == after.count)
    }

    @Test func `a bad descriptor is refused`() async {
        final class Nobody: DescriptorHandler, @unchecked Sendable {
            func ready(_ readiness: Readiness) {}
            func loopStopped() {}
        }
        let loop = TestLoops.one
        let error = await loop.run { () -> LineError? in
            do throws(LineError) {
                try loop.register(descriptor: -1, interest: .readable, handler: Nobody())
                return nil
            } catch {
                return error
            }
        }
        #expect(error == .system(EBADF))
    }
}
