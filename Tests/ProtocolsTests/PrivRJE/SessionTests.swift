import Protocols
import Testing

/// Both machines on one line, which is cut at every octet.
struct PrivRJESessionTests {
    /// Carries octets until both sides are silent, or `budget` octets have gone one way.
    private func carry(
        _ station: StationSession, _ host: HostSession, toHost: Int = .max, toStation: Int = .max, by length: Int = .max
    ) {
        var (up, down) = (toHost, toStation)
        while true {
            let ask = Array(station.sent.prefix(up))
            let answer = Array(host.sent.prefix(down))
            if ask.isEmpty && answer.isEmpty { break }
            station.sent.removeFirst(ask.count)
            host.sent.removeFirst(answer.count)
            up -= ask.count
            down -= answer.count
            host.receive(ask, by: length)
            for start in stride(from: 0, to: answer.count, by: min(length, max(1, answer.count))) {
                station.handle(.received(Array(answer[start..<min(answer.count, start + min(length, answer.count))])))
            }
        }
    }

    private func cut(_ station: StationSession, _ host: HostSession) {
        station.handle(.lineClosed)
        host.handle(.lineClosed)
        host.batch.sessions = [:]
    }

    @Test(arguments: [1, 3, Int.max])
    func `a job goes its whole way`(_ length: Int) {
        let host = HostSession()
        let station = StationSession()
        station.submit(.watch(.all))
        let input = station.submit(deck: deckText, key: "k")
        carry(station, host, by: length)
        #expect(station.outcomes[input] == .accepted(.init(job: "J00042", name: "HELLO", cards: 3)))
        let file = Array("1PAGE\n LINE\n".utf8)
        host.batch.run("J00042", files: [file], returnCode: 4)
        let fetch = station.submit(.fetch(.init(job: "J00042", file: 1)))
        let purge = station.submit(.purge(job: "J00042"))
        station.submit(.bye)
        carry(station, host, by: length)
        #expect(station.blocks[fetch] == file && station.outcomes[purge] == .changed(nil))
        #expect(station.actions.contains { if case .jobChanged(let job) = $0 { job.returnCode == 4 } else { false } })
        #expect(station.end == .bye && host.end == .bye)
    }

    /// The octets of the way up and down for sign-on, INPUT and STATUS.
    static let lengths = (up: 160, down: 320)

    @Test func `a deck submitted again after any cut runs once`() {
        for (up, down) in (0...Self.lengths.up).map({ ($0, Int.max) }) + (0...Self.lengths.down).map({ (Int.max, $0) })
        {
            let batch = FakeBatch()
            let (station, host) = (StationSession(), HostSession(batch: batch))
            let input = station.submit(deck: deckText, key: "k")
            carry(station, host, toHost: up, toStation: down)
            cut(station, host)
            let isThere = !batch.jobs.isEmpty
            switch (station.unanswered[input], station.outcomes[input]) {
            case (.nothing?, nil), (.partly?, nil): #expect(!isThere, "cut after \(up) and \(down) octets")
            case (.fully?, nil): break  // nobody knows: that is what the key is for
            case (nil, .accepted?): #expect(isThere)
            default: Issue.record("cut after \(up) and \(down) octets: told twice, or not at all")
            }
            let (again, otherHost) = (StationSession(), HostSession(batch: batch))
            let second = again.submit(deck: deckText, key: "k")
            carry(again, otherHost)
            #expect(
                again.outcomes[second]
                    == .accepted(.init(job: "J00042", name: "HELLO", cards: 3, isDuplicate: isThere)))
            #expect(batch.jobs.count == 1)
        }
    }

    @Test func `the last octet of a deck goes out only when the attempt is committed`() {
        let host = HostSession()
        let station = StationSession()
        let input = station.submit(deck: deckText, key: "k")
        carry(station, host)
        #expect(station.committedClosing == [input])
        let commit = station.actions.firstIndex(of: .commitClosing(input))
        let sentBefore = station.actions[..<(commit ?? 0)].reduce(0) {
            if case .send(let octets) = $1 { $0 + octets.count } else { $0 }
        }
        let logOn = "HELLO PRIV-RJE/1\r\nUSER RMT7\r\nPASS secret\r\nINPUT OCTETS=57 KEY=k\r\n".utf8.count
        #expect(sentBefore >= logOn && sentBefore < logOn + deckText.utf8.count)
    }

    @Test func `print-out fetched over cut lines is whole`() {
        let batch = FakeBatch()
        let file = (0..<100).map { UInt8($0 % 64) }
        batch.jobs.append(.init(user: "RMT7", line: .init(job: "J1", state: .done), block: [], cards: 1, files: [file]))
        for down in 0...300 {
            var have: [UInt8] = []
            for budget in [down, down, Int.max] where have.count < file.count {
                let (station, host) = (StationSession(), HostSession(batch: batch))
                let fetch = station.submit(.fetch(.init(job: "J1", file: 1, offset: have.count)))
                carry(station, host, toStation: budget)
                have += station.blocks[fetch] ?? []
                cut(station, host)
            }
            #expect(have == file, "cut after \(down) octets")
        }
    }

    @Test func `a hundred requests go through any window in order`() {
        for window in [1, 2, 16] {
            var abilities = everything
            (abilities.window, abilities.maxDeck) = (window, 10_000)
            let host = HostSession(abilities)
            let station = StationSession()
            var decks: [PrivRJE.RequestID] = []
            for number in 0..<50 {
                decks.append(station.submit(deck: "//J\(number) JOB\n" + String(repeating: "x\n", count: number)))
                station.submit(.status(.all))
                #expect(station.machine.unansweredCount <= window)
            }
            carry(station, host, by: 11)
            #expect(host.batch.jobs.map(\.line.name) == (0..<50).map { "J\($0)" })
            for (number, id) in decks.enumerated() {
                #expect(
                    station.outcomes[id]
                        == .accepted(.init(job: PrivRJE.jobNumber(42 + number), name: "J\(number)", cards: number + 1)))
            }
            #expect(station.machine.unansweredCount == 0)
        }
    }
}
