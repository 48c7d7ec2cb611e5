extension RFC407 {
    /// One output file of a job at the host. Section 9.3, with the decisions of section 20.
    ///
    ///     waiting ──job ends──▶ held | queued ──connected──▶ sending ──▶ gone | kept
    ///                              ▲     └──refused──▶ stranded   └──broken──▶ queued | held ((S))
    ///
    /// Every connection starts at record 1 unless RECOVER was used.
    package struct OutputState: Equatable, Sendable {
        package enum Phase: Equatable, Sendable {
            /// The job has not ended.
            case waiting
            case held
            case queued
            case sending
            /// Delivered by `(S)`.
            case kept
            /// Its destination is not allowed, or refused the log-on.
            case stranded
            case gone
        }

        package enum Event: Equatable, Sendable {
            case jobEnded
            case change(Disposition)
            case verb(Verb, count: Int)
            case connected
            /// The receiver has it all.
            case delivered
            /// The connection broke, or the receiver did not close its side in time.
            case broken
            /// Nobody answered there: tried again.
            case unreachable
            /// Not allowed there, or FTP refused the log-on or the file.
            case refused
            /// RECOVER is possible: the receiver acknowledged a marker.
            case keepTimeOver
        }

        package enum Action: Equatable, Sendable {
            /// Connect, and send; from the newest acknowledged marker when `recovers`.
            case connect(FileID, recovers: Bool)
            case connectLater(after: Duration)
            /// End the connection by a reset.
            case breakOff
            /// Move the place by so many records, back when negative.
            case move(Int)
            /// The file's octets are not needed any more.
            case drop
            case delivered
            /// 466, when the time to keep an unclaimed file is over.
            case discardedUnclaimed
            /// The answer to `change` and `verb`.
            case reply(Reply)
        }

        package private(set) var phase = Phase.waiting
        package private(set) var disposition: Disposition
        /// The last one known.
        package private(set) var destination: FileID?
        package private(set) var tries = 0
        private var hasMarker = false

        package init(_ disposition: Disposition) {
            self.disposition = disposition
            if case .send(let file, _) = disposition { destination = file }
        }

        /// Pauses between tries; the last goes on. Section 9.3.
        package static let pauses: [Duration] = [.seconds(60), .seconds(120), .seconds(300), .seconds(600)]
        /// Tries in about one day.
        package static let mostTries = 146

        /// The receiver acknowledged a restart marker (FTP).
        package mutating func markerAcknowledged() { hasMarker = true }

        package mutating func handle(_ event: Event) -> [Action] {
            switch event {
            case .jobEnded: return phase == .waiting ? settle() : []
            case .change(let new): return change(new)
            case .verb(let verb, let count): return obey(verb, count)
            case .connected:
                if phase == .queued { phase = .sending }
                return []
            case .delivered: return delivered()
            case .broken: return broken()
            case .unreachable: return later()
            case .refused:
                guard phase == .queued || phase == .sending else { return [] }
                phase = keeps ? .held : .stranded
                return []
            case .keepTimeOver:
                guard phase == .held || phase == .kept || phase == .stranded || phase == .queued else { return [] }
                phase = .gone
                return [.discardedUnclaimed, .drop]
            }
        }

        private var keeps: Bool { if case .send(_, let keeps) = disposition { keeps } else { false } }

        /// Enters the state that the disposition asks for.
        private mutating func settle() -> [Action] {
            switch disposition {
            case .hold:
                phase = .held
                return []
            case .discard:
                phase = .gone
                return [.drop]
            case .send(let file, _):
                phase = .queued
                destination = file
                tries = 0
                return [.connect(file, recovers: false)]
            }
        }

        private mutating func change(_ new: Disposition) -> [Action] {
            switch phase {
            case .waiting:
                disposition = new
                if case .send(let file, _) = new { destination = file }
                return [.reply(Reply(200, "OK"))]
            case .held, .queued, .kept, .stranded:
                disposition = new
                return [.reply(Reply(200, "OK"))] + settle()
            case .sending: return [.reply(Reply(504, "The file is being sent"))]
            case .gone: return [.reply(Reply(464, "No such file"))]
            }
        }

        private mutating func obey(_ verb: Verb, _ count: Int) -> [Action] {
            let done = Action.reply(Reply(203, "Done"))
            switch (phase, verb) {
            case (.waiting, _), (.queued, _), (.stranded, .hold), (.stranded, .back), (.stranded, .skip):
                return [.reply(Reply(504, "Nothing is being sent"))]
            case (.gone, _): return [.reply(Reply(464, "No such file"))]
            case (.held, .back), (.held, .skip), (.kept, .back), (.kept, .skip), (.held, .hold), (.kept, .hold):
                return [.reply(Reply(504, "Nothing is moving"))]
            case (.sending, .back): return [done, .move(-count)]
            case (.sending, .skip): return [done, .move(count)]
            case (.sending, .hold):
                phase = .held
                return [done, .breakOff]
            case (.sending, .abort):
                phase = .gone
                return [.reply(Reply(203, "Discarded")), .breakOff, .drop]
            case (.held, .abort), (.kept, .abort), (.stranded, .abort):
                phase = .gone
                return [.reply(Reply(203, "Kept copy discarded")), .drop]
            case (.held, .restart), (.kept, .restart), (.stranded, .restart), (.sending, .restart):
                return again(done, recovers: false)
            case (.held, .recover), (.kept, .recover), (.stranded, .recover), (.sending, .recover):
                guard hasMarker else { return [.reply(Reply(504, "No restart marker remembered"))] }
                return again(done, recovers: true)
            }
        }

        private mutating func again(_ done: Action, recovers: Bool) -> [Action] {
            guard let destination else { return [.reply(Reply(504, "No destination is known"))] }
            let breaks: [Action] = phase == .sending ? [.breakOff] : []
            if case .send = disposition {} else { disposition = .send(destination, keeps: true) }
            phase = .queued
            tries = 0
            return [done] + breaks + [.connect(destination, recovers: recovers)]
        }

        private mutating func delivered() -> [Action] {
            guard phase == .sending else { return [] }
            phase = keeps ? .kept : .gone
            return keeps ? [.delivered] : [.delivered, .drop]
        }

        private mutating func broken() -> [Action] {
            guard phase == .sending else { return [] }
            if keeps {
                phase = .held
                return []
            }
            phase = .queued
            return later()
        }

        private mutating func later() -> [Action] {
            guard phase == .queued else { return [] }
            tries += 1
            guard tries <= Self.mostTries else {
                phase = .stranded
                return []
            }
            return [.connectLater(after: Self.pauses[min(tries, Self.pauses.count) - 1])]
        }
    }
}
