import Protocols
import Testing

/// Section 9.3: every row, with the decisions of section 20.
struct RFC407OutputTests {
    typealias Output = RFC407.OutputState
    static let place = RFC407.FileID.socket(nil, port: 40102, .init(.text))
    static let other = RFC407.FileID.socket(nil, port: 40109, .init(.text))

    enum Start: String, Sendable, CaseIterable {
        case waiting, held, heldAfterHold, queued, sending, sendingKept, kept, stranded, gone

        var output: Output {
            func after(_ disposition: RFC407.Disposition, _ events: Output.Event...) -> Output {
                var output = Output(disposition)
                for event in events { _ = output.handle(event) }
                return output
            }
            let send = RFC407.Disposition.send(place, keeps: false)
            let keep = RFC407.Disposition.send(place, keeps: true)
            return switch self {
            case .waiting: after(send)
            case .held: after(.hold, .jobEnded)
            case .heldAfterHold: after(send, .jobEnded, .connected, .verb(.hold, count: 1))
            case .queued: after(send, .jobEnded)
            case .sending: after(send, .jobEnded, .connected)
            case .sendingKept: after(keep, .jobEnded, .connected)
            case .kept: after(keep, .jobEnded, .connected, .delivered)
            case .stranded: after(send, .jobEnded, .refused)
            case .gone: after(.discard, .jobEnded)
            }
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let start: Start
        let event: Output.Event
        let phase: Output.Phase
        /// The reply's code; nil: none.
        var code: Int?
        var connects: RFC407.FileID?
        var breaksOff = false
        var drops = false
        var moves: Int?
        var testDescription: String { "\(start) \(event)" }

        init(
            _ start: Start, _ event: Output.Event, _ phase: Output.Phase, _ code: Int? = nil,
            to connects: RFC407.FileID? = nil,
            breaksOff: Bool = false, drops: Bool = false, moves: Int? = nil
        ) {
            (self.start, self.event, self.phase, self.code) = (start, event, phase, code)
            (self.connects, self.breaksOff, self.drops, self.moves) = (connects, breaksOff, drops, moves)
        }
    }

    @Test(arguments: [
        Row(.waiting, .jobEnded, .queued, to: place),
        Row(.waiting, .change(.hold), .waiting, 200),
        Row(.waiting, .verb(.restart, count: 1), .waiting, 504),
        Row(.held, .change(.send(other, keeps: true)), .queued, 200, to: other),
        Row(.held, .change(.send(other, keeps: false)), .queued, 200, to: other),
        Row(.held, .change(.discard), .gone, 200, drops: true),
        Row(.held, .change(.hold), .held, 200),
        Row(.held, .verb(.restart, count: 1), .held, 504),
        Row(.heldAfterHold, .verb(.restart, count: 1), .queued, 203, to: place),
        Row(.held, .verb(.recover, count: 1), .held, 504),
        Row(.held, .verb(.abort, count: 1), .gone, 203, drops: true),
        Row(.held, .verb(.back, count: 2), .held, 504), Row(.held, .verb(.skip, count: 2), .held, 504),
        Row(.held, .verb(.hold, count: 1), .held, 504),
        Row(.queued, .connected, .sending), Row(.queued, .unreachable, .queued), Row(.queued, .refused, .stranded),
        Row(.queued, .verb(.hold, count: 1), .queued, 504), Row(.queued, .verb(.abort, count: 1), .queued, 504),
        Row(.queued, .change(.send(other, keeps: false)), .queued, 200, to: other),
        Row(.sending, .delivered, .gone, drops: true), Row(.sendingKept, .delivered, .kept),
        Row(.sending, .broken, .queued), Row(.sendingKept, .broken, .held),
        Row(.sending, .change(.hold), .sending, 504),
        Row(.sending, .verb(.hold, count: 1), .held, 203, breaksOff: true),
        Row(.sending, .verb(.abort, count: 1), .gone, 203, breaksOff: true, drops: true),
        Row(.sending, .verb(.restart, count: 1), .queued, 203, to: place, breaksOff: true),
        Row(.sending, .verb(.recover, count: 1), .sending, 504),
        Row(.sending, .verb(.back, count: 3), .sending, 203, moves: -3),
        Row(.sending, .verb(.skip, count: 3), .sending, 203, moves: 3),
        Row(.kept, .verb(.restart, count: 1), .queued, 203, to: place),
        Row(.kept, .change(.discard), .gone, 200, drops: true),
        Row(.kept, .verb(.abort, count: 1), .gone, 203, drops: true),
        Row(.kept, .change(.send(other, keeps: true)), .queued, 200, to: other),
        Row(.kept, .verb(.hold, count: 1), .kept, 504), Row(.kept, .verb(.back, count: 1), .kept, 504),
        Row(.stranded, .change(.send(other, keeps: false)), .queued, 200, to: other),
        Row(.stranded, .verb(.restart, count: 1), .queued, 203, to: place),
        Row(.stranded, .verb(.hold, count: 1), .stranded, 504),
        Row(.stranded, .verb(.abort, count: 1), .gone, 203, drops: true),
        Row(.stranded, .keepTimeOver, .gone, drops: true), Row(.held, .keepTimeOver, .gone, drops: true),
        Row(.gone, .change(.hold), .gone, 464), Row(.gone, .verb(.restart, count: 1), .gone, 464),
        Row(.gone, .delivered, .gone),
        Row(.held, .delivered, .held), Row(.held, .broken, .held), Row(.kept, .connected, .kept),
    ])
    func transition(_ row: Row) {
        var output = row.start.output
        let actions = output.handle(row.event)
        #expect(output.phase == row.phase)
        var (code, connects, breaksOff, drops, moves): (Int?, RFC407.FileID?, Bool, Bool, Int?) = (
            nil, nil, false, false, nil
        )
        for action in actions {
            switch action {
            case .reply(let reply): code = reply.code
            case .connect(let place, recovers: let recovers):
                connects = place
                #expect(!recovers)
            case .breakOff: breaksOff = true
            case .drop: drops = true
            case .move(let count): moves = count
            case .connectLater, .delivered, .discardedUnclaimed: break
            }
        }
        #expect(code == row.code)
        #expect(connects == row.connects)
        #expect(breaksOff == row.breaksOff)
        #expect(drops == row.drops)
        #expect(moves == row.moves)
    }

    @Test func `a kept file whose destination refuses is held, another is stranded and told as discarded`() {
        var kept = Output(.send(Self.place, keeps: true))
        _ = kept.handle(.jobEnded)
        _ = kept.handle(.refused)
        #expect(kept.phase == .held)
        var output = Start.stranded.output
        #expect(output.handle(.keepTimeOver) == [.discardedUnclaimed, .drop])
    }

    @Test func `a dead destination is tried after 1, 2, 5 and 10 minutes, for about a day`() {
        var output = Start.queued.output
        let pauses = (0..<5).map { _ in output.handle(.unreachable) }
        #expect(pauses == [60, 120, 300, 600, 600].map { [.connectLater(after: .seconds($0))] })
        for _ in 5..<Output.mostTries { #expect(output.handle(.unreachable).count == 1) }
        #expect(output.handle(.unreachable) == [])
        #expect(output.phase == .stranded)
    }

    @Test func `RECOVER begins behind an acknowledged marker, and RESTART at the first record`() {
        var output = Start.sending.output
        output.markerAcknowledged()
        _ = output.handle(.verb(.hold, count: 1))
        #expect(output.handle(.verb(.recover, count: 1)).last == .connect(Self.place, recovers: true))
    }

    @Test(arguments: Start.allCases)
    func `no event is too strange for a file`(_ start: Start) {
        var events: [Output.Event] = [
            .jobEnded, .connected, .delivered, .broken, .unreachable, .refused, .keepTimeOver,
        ]
        events += [.change(.hold), .change(.discard), .change(.send(Self.other, keeps: true))]
        events += RFC407.Verb.allCases.map { .verb($0, count: 2) }
        for first in events {
            for second in events {
                var output = start.output
                _ = output.handle(first)
                let answers = output.handle(second).filter { if case .reply = $0 { true } else { false } }
                let isAsked = {
                    if case .change = second { true } else if case .verb = second { true } else { false }
                }()
                #expect(answers.count == (isAsked ? 1 : 0))
            }
        }
    }
}
