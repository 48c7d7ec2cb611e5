import Jobs
import Stations
import Testing

private func want(
    _ lease: Int, _ owner: String = "anna", priority: Int = 0, age: Int64 = 0, for purpose: LeasePurpose = .submission
) -> Pool.Event {
    .wanted(
        Want(
            lease: LeaseID(lease), owner: Owner(owner) ?? .local, priority: priority,
            submittedAt: Timestamp(microseconds: age), purpose: purpose))
}

private func signedOn(_ session: Int, window: Int = 1, most: Int? = nil) -> Pool.Event {
    .signedOn(SessionID(session), window: window, mostSessions: most)
}

private func lost(_ session: Int) -> Pool.Event { .sessionEnded(SessionID(session), .lineLost("cut")) }

private func granted(_ lease: Int, _ session: Int, slot: Int = 0) -> Pool.Action {
    .grant(LeaseID(lease), SessionID(session), slot: slot)
}

struct PoolRow: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var settings = Pool.Settings(min: 1, max: 2, idleTime: .seconds(60))
    var refused: String?
    /// What happens first, a second after one another.
    let before: [Pool.Event]
    /// Time that passes then.
    var pause = Duration.seconds(1)
    let event: Pool.Event
    let actions: [Pool.Action]
    let host: String
}

@Suite struct PoolTests {
    static let rows: [PoolRow] = [
        PoolRow(
            testDescription: "the sessions to be kept are opened at once",
            before: [], event: .opened, actions: [.connect(SessionID(1))], host: "connecting"),
        PoolRow(
            testDescription: "with none to be kept nothing is opened until somebody wants one",
            settings: .init(min: 0, max: 2), before: [], event: .opened, actions: [], host: "idle"),
        PoolRow(
            testDescription: "a wish opens a session",
            settings: .init(min: 0, max: 2), before: [.opened], event: want(1), actions: [.connect(SessionID(1))],
            host: "connecting"),
        PoolRow(
            testDescription: "one sign-on at a time, though more sessions are to be kept",
            settings: .init(min: 3, max: 3), before: [.opened], event: want(1), actions: [], host: "connecting"),
        PoolRow(
            testDescription: "after one sign-on the next begins",
            settings: .init(min: 3, max: 3), before: [.opened], event: signedOn(1),
            actions: [.connect(SessionID(2)), .announce(.up)], host: "up"),
        PoolRow(
            testDescription: "signed on, it serves who waits",
            before: [.opened, want(1)], event: signedOn(1), actions: [granted(1, 1), .announce(.up)], host: "up"),
        PoolRow(
            testDescription: "a window of two carries two leases",
            before: [.opened, want(1), want(2)], event: signedOn(1, window: 2),
            actions: [granted(1, 1), granted(2, 1, slot: 1), .announce(.up)], host: "up"),
        PoolRow(
            testDescription: "no slot free: another session, as max allows",
            before: [.opened, signedOn(1), want(1)], event: want(2), actions: [.connect(SessionID(2))], host: "up"),
        PoolRow(
            testDescription: "at max the third waits",
            before: [.opened, signedOn(1), want(1), want(2), signedOn(2)], event: want(3), actions: [], host: "up"),
        PoolRow(
            testDescription: "the host allows one session: no second is tried",
            before: [.opened, signedOn(1, most: 1), want(1)], event: want(2), actions: [], host: "up"),
        PoolRow(
            testDescription: "a lease given back serves the next",
            before: [.opened, signedOn(1, most: 1), want(1), want(2)], event: .released(LeaseID(1)),
            actions: [granted(2, 1)], host: "up"),
        PoolRow(
            testDescription: "the least used session serves",
            settings: .init(min: 2, max: 2),
            before: [.opened, signedOn(1, window: 2), signedOn(2, window: 2), want(1)], event: want(2),
            actions: [granted(2, 2)], host: "up"),
        PoolRow(
            testDescription: "a lease released twice, or never given, changes nothing",
            before: [.opened, signedOn(1), want(1), .released(LeaseID(1))], event: .released(LeaseID(1)), actions: [],
            host: "up"),
        PoolRow(
            testDescription: "a wish withdrawn is not served",
            before: [.opened, want(1), .withdrawn(LeaseID(1))], event: signedOn(1), actions: [.announce(.up)],
            host: "up"),
        PoolRow(
            testDescription: "a wish withdrawn after its grant gives the slot back",
            before: [.opened, signedOn(1, most: 1), want(1), want(2)], event: .withdrawn(LeaseID(1)),
            actions: [granted(2, 1)], host: "up"),
        PoolRow(
            testDescription: "no line: down, and tried again later",
            before: [.opened], event: .signOnFailed(SessionID(1), .noLine("refused")),
            actions: [.announce(.down("no line to the host: refused"))], host: "down"),
        PoolRow(
            testDescription: "before the pause is over nothing is tried",
            before: [.opened, .signOnFailed(SessionID(1), .noLine("refused"))], pause: .milliseconds(499),
            event: .timePassed, actions: [], host: "down"),
        PoolRow(
            testDescription: "after the pause it is tried again",
            before: [.opened, .signOnFailed(SessionID(1), .noLine("refused"))], pause: .seconds(1), event: .timePassed,
            actions: [.connect(SessionID(2))], host: "down"),
        PoolRow(
            testDescription: "the host is up again",
            before: [.opened, .signOnFailed(SessionID(1), .noLine("refused")), .timePassed], event: signedOn(2),
            actions: [.announce(.up)], host: "up"),
        PoolRow(
            testDescription: "a line lost ends its leases with its error",
            before: [.opened, signedOn(1, window: 2), want(1), want(2)], event: lost(1),
            actions: [
                .end(LeaseID(1), .lineLost("cut")), .end(LeaseID(2), .lineLost("cut")),
                .announce(.down("the line was lost: cut")),
            ], host: "down"),
        PoolRow(
            testDescription: "another session up: the host stays up",
            settings: .init(min: 2, max: 2), before: [.opened, signedOn(1), signedOn(2)], event: lost(2), actions: [],
            host: "up"),
        PoolRow(
            testDescription: "a refused log-on opens the breaker",
            before: [.opened], event: .signOnFailed(SessionID(1), .logonRefused("bad password")),
            actions: [.announce(.refused("bad password")), .announce(.down("bad password"))], host: "refused"),
        PoolRow(
            testDescription: "refused, neither wishes nor time connect",
            before: [.opened, .signOnFailed(SessionID(1), .logonRefused("bad password")), want(1)],
            pause: .seconds(3600),
            event: .timePassed, actions: [], host: "refused"),
        PoolRow(
            testDescription: "refused, an operator acts and it is tried",
            before: [.opened, .signOnFailed(SessionID(1), .logonRefused("bad password")), want(1)],
            event: .operatorActed,
            actions: [.connect(SessionID(2))], host: "connecting"),
        PoolRow(
            testDescription: "a refusal from before the start holds",
            refused: "bad password", before: [], event: .opened, actions: [], host: "refused"),
        PoolRow(
            testDescription: "an operator ends the pause of a host that is down",
            before: [.opened, .signOnFailed(SessionID(1), .noLine("refused"))], pause: .zero, event: .operatorActed,
            actions: [.connect(SessionID(2))], host: "connecting"),
        PoolRow(
            testDescription: "refused for too many sessions: those that are up are the limit",
            before: [.opened, signedOn(1), want(1), want(2), .signOnFailed(SessionID(2), .tooManySessions(most: nil))],
            pause: .seconds(30), event: .timePassed, actions: [], host: "up"),
        PoolRow(
            testDescription: "a limit learned from a refusal is tried again later",
            before: [.opened, signedOn(1), want(1), want(2), .signOnFailed(SessionID(2), .tooManySessions(most: nil))],
            pause: .seconds(300), event: .timePassed, actions: [.connect(SessionID(3))], host: "up"),
        PoolRow(
            testDescription: "too many sessions with none of ours: tried again like any failure",
            before: [.opened], event: .signOnFailed(SessionID(1), .tooManySessions(most: nil)),
            actions: [.announce(.down("the host allows no more sessions"))], host: "down"),
        PoolRow(
            testDescription: "the host lowers its limit: an idle session goes at once",
            settings: .init(min: 3, max: 3), before: [.opened, signedOn(1), signedOn(2)], event: signedOn(3, most: 2),
            actions: [.signOff(SessionID(3))], host: "up"),
        PoolRow(
            testDescription: "over the limit with a lease: the session goes when it comes back, and serves nobody else",
            settings: .init(min: 3, max: 3),
            before: [.opened, signedOn(1), signedOn(2), want(1), want(2), signedOn(3, most: 1), want(3)],
            event: .released(LeaseID(2)),
            actions: [.signOff(SessionID(2))], host: "up"),
        PoolRow(
            testDescription: "idle above min is closed after the idle time",
            before: [
                .opened, signedOn(1), want(1), want(2), signedOn(2), .released(LeaseID(1)), .released(LeaseID(2)),
            ],
            pause: .seconds(60), event: .timePassed, actions: [.signOff(SessionID(1))], host: "up"),
        PoolRow(
            testDescription: "idle at min is kept",
            before: [.opened, signedOn(1)], pause: .seconds(6000), event: .timePassed, actions: [], host: "up"),
        PoolRow(
            testDescription: "closed because idle is no failure",
            settings: .init(min: 0, max: 2, idleTime: .seconds(1)),
            before: [.opened, want(1), signedOn(1), .released(LeaseID(1)), .timePassed], event: lost(1), actions: [],
            host: "idle"),
        PoolRow(
            testDescription: "a closing session still counts for the host",
            settings: .init(min: 0, max: 1, idleTime: .seconds(1)),
            before: [.opened, want(1), signedOn(1), .released(LeaseID(1)), .timePassed], event: want(2), actions: [],
            host: "idle"),
        PoolRow(
            testDescription: "drained: a submission waits",
            before: [.opened, signedOn(1), .drained], event: want(1), actions: [], host: "up"),
        PoolRow(
            testDescription: "drained: output is still fetched",
            before: [.opened, signedOn(1), .drained, want(1)], event: want(2, for: .fetch), actions: [granted(2, 1)],
            host: "up"),
        PoolRow(
            testDescription: "resumed: the submission goes",
            before: [.opened, signedOn(1), .drained, want(1)], event: .resumed, actions: [granted(1, 1)], host: "up"),
        PoolRow(
            testDescription: "stop turns those who wait away and lets leases end",
            before: [.opened, signedOn(1, most: 1), want(1), want(2)], event: .stopped,
            actions: [.deny(LeaseID(2), .closed)], host: "stopped"),
        PoolRow(
            testDescription: "the last lease back closes the last session",
            before: [.opened, signedOn(1), want(1), .stopped], event: .released(LeaseID(1)),
            actions: [.signOff(SessionID(1))], host: "stopped"),
        PoolRow(
            testDescription: "grace over: the session is closed under its lease",
            before: [.opened, signedOn(1), want(1), .stopped], event: .graceEnded, actions: [.signOff(SessionID(1))],
            host: "stopped"),
        PoolRow(
            testDescription: "stop gives a sign-on up",
            before: [.opened], event: .stopped, actions: [.signOff(SessionID(1))], host: "stopped"),
        PoolRow(
            testDescription: "the last session gone ends the pool",
            before: [.opened, signedOn(1), want(1), .stopped, .graceEnded], event: lost(1),
            actions: [.end(LeaseID(1), .lineLost("cut")), .finish], host: "stopped"),
        PoolRow(
            testDescription: "stopped before it opened",
            before: [want(1)], event: .stopped, actions: [.deny(LeaseID(1), .closed), .finish], host: "stopped"),
        PoolRow(
            testDescription: "after the stop nobody is served",
            before: [.opened, .stopped], event: want(1), actions: [.deny(LeaseID(1), .closed)], host: "stopped"),
        PoolRow(
            testDescription: "a sign-on that succeeds after the stop is not used",
            before: [.opened, want(1), .stopped], event: signedOn(1), actions: [], host: "stopped"),
    ]

    @Test(arguments: rows)
    func transition(_ row: PoolRow) {
        var pool = Pool(row.settings, refused: row.refused, seed: 1)
        var now = Duration.zero
        for event in row.before {
            now += .seconds(1)
            _ = pool.handle(event, at: now)
        }
        now += row.pause
        #expect(pool.handle(row.event, at: now) == row.actions)
        #expect(pool.status(at: now).host.word == row.host)
    }

    /// Grants in order when one slot serves all.
    private func order(of wishes: [Pool.Event]) -> [Int] {
        var pool = Pool(.init(min: 1, max: 1), seed: 1)
        _ = pool.handle(.opened, at: .zero)
        for wish in wishes { _ = pool.handle(wish, at: .zero) }
        var order: [Int] = []
        var actions = pool.handle(signedOn(1), at: .zero)
        while case .grant(let lease, _, slot: _)? = actions.first {
            order.append(lease.number)
            actions = pool.handle(.released(lease), at: .zero)
        }
        return order
    }

    @Test func `owners take turns, whatever each has waiting`() {
        let wishes = [
            want(1, "anna", age: 1), want(2, "anna", age: 2), want(3, "anna", age: 3), want(4, "bert", age: 9),
            want(5, "cleo", age: 8), want(6, "bert", age: 10),
        ]
        #expect(order(of: wishes) == [1, 4, 5, 2, 6, 3])
    }

    @Test func `a higher priority goes before every owner's turn`() {
        let wishes = [
            want(1, "anna", age: 1), want(2, "bert", age: 2), want(3, "cleo", priority: 5, age: 9),
            want(4, "cleo", priority: 5, age: 8), want(5, "anna", priority: 15, age: 99),
        ]
        #expect(order(of: wishes) == [5, 4, 3, 1, 2])
    }

    @Test func `within an owner age decides, then arrival`() {
        let wishes = [want(1, age: 7), want(2, age: 5), want(3, age: 6), want(4, age: 5)]
        #expect(order(of: wishes) == [2, 4, 3, 1])
    }

    @Test func `pauses double from one second to sixty, half of each random`() {
        var pool = Pool(.init(min: 1, max: 1), seed: 42)
        var now = Duration.zero
        var session = 1
        _ = pool.handle(.opened, at: now)
        for whole in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            _ = pool.handle(.signOnFailed(SessionID(session), .noLine("refused")), at: now)
            guard case .down(_, let next?) = pool.status(at: now).host else {
                Issue.record("the host is not down")
                return
            }
            #expect(next >= .milliseconds(500 * whole) && next <= .seconds(whole))
            #expect(pool.wakeAt == now + next)
            now += next
            session += 1
            #expect(pool.handle(.timePassed, at: now) == [.connect(SessionID(session))])
        }
    }

    @Test func `a session that lived a while starts the pauses anew`() {
        var pool = Pool(.init(min: 1, max: 1), seed: 42)
        _ = pool.handle(.opened, at: .zero)
        var session = 1
        var now = Duration.zero
        for _ in 0..<6 {
            _ = pool.handle(.signOnFailed(SessionID(session), .noLine("refused")), at: now)
            now += .seconds(60)
            _ = pool.handle(.timePassed, at: now)
            session += 1
        }
        _ = pool.handle(signedOn(session), at: now)
        now += .seconds(10)
        _ = pool.handle(lost(session), at: now)
        #expect(pool.wakeAt.map { $0 <= now + .seconds(1) } == true)
    }

    @Test func `the same seed pauses the same`() {
        func pauses(_ seed: UInt64) -> Duration? {
            var pool = Pool(.init(), seed: seed)
            _ = pool.handle(.opened, at: .zero)
            _ = pool.handle(.signOnFailed(SessionID(1), .noLine("")), at: .zero)
            return pool.wakeAt
        }
        #expect(pauses(7) == pauses(7))
        #expect(Set((0..<20).map { pauses($0) }).count > 10)
    }

    @Test func `a job that waits is told why`() {
        var pool = Pool(.init(min: 1, max: 1), seed: 1)
        _ = pool.handle(.opened, at: .zero)
        #expect(pool.status(at: .zero).waitingWords == "waits for a session with the host")
        _ = pool.handle(.signOnFailed(SessionID(1), .noLine("connection refused")), at: .zero)
        #expect(
            pool.status(at: .zero).waitingWords
                == "the host is down: no line to the host: connection refused; it is tried again and again")
        _ = pool.handle(.drained, at: .zero)
        #expect(pool.status(at: .zero).waitingWords?.hasPrefix("the host is drained") == true)
        _ = pool.handle(.resumed, at: .zero)
        _ = pool.handle(.timePassed, at: .seconds(1))
        _ = pool.handle(.signOnFailed(SessionID(2), .logonRefused("431 bad password")), at: .seconds(1))
        #expect(
            pool.status(at: .seconds(1)).waitingWords
                == "the host refused log-on: 431 bad password; not tried again until an operator acts")
    }
}
