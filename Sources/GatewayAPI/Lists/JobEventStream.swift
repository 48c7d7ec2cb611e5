import Engine
import HTTPCore
import Jobs
import Stores

/// One client's event stream. It holds no events: it reads them from the store when there is news, as fast as the client
/// takes them.
struct JobEventStream: Sendable {
    let gateway: Gateway
    let identity: Identity
    let job: JobID?
    /// nil: print records are not wanted.
    let records: RecordPlace?
    /// Registered before the store is read: what is committed from then on wakes the stream.
    let subscription: JobWatch.Subscription

    private static let eventsAtOnce = 100

    private enum Told {
        case all(upTo: Int64), part(upTo: Int64)
        /// Nothing more will come.
        case end
    }

    func run(after: Int64?, to writer: HTTPCore.BodyWriter) async throws {
        gateway.figures.streamBegan()
        defer { gateway.figures.streamEnded() }
        let life = gateway.settings.longestStream * Double.random(in: 0.9...1.1)
        let end = ContinuousClock.now.advanced(by: life)
        let told = records.map { RecordStream(gateway: gateway, after: $0) }
        // This is what thousands of streams stand in for hours: what it calls is not inlined, or its frame holds all their variables.
        guard var sequence = try await begin(after, told, writer) else { return }
        while !gateway.isDraining, ContinuousClock.now < end {
            switch try await tell(after: sequence, told, to: writer) {
            case .end: return
            case .part(let last): sequence = last
            case .all(let last):
                sequence = last
                let before = ContinuousClock.now
                await subscription.next(within: gateway.settings.keepAlive)
                if ContinuousClock.now - before >= gateway.settings.keepAlive {
                    try await EventStream(writer).comment("keep-alive")
                }
            }
        }
    }

    /// Tells where things stand, or goes on where the client stopped.
    ///
    /// - Returns: the number to go on after; nil: that was all.
    @inline(never)
    private func begin(_ after: Int64?, _ told: RecordStream?, _ writer: HTTPCore.BodyWriter) async throws -> Int64? {
        let out = EventStream(writer)
        try await out.retry(after: 1000)
        if let after {
            // What the client knows, unless the store does not have what follows it.
            guard let oldest = try await gateway.gap(after: after) else { return after }
            try await out.send(event: "gap", id: "\(oldest - 1)", data: "{\"oldest\":\(oldest)}")
            return oldest - 1
        }
        let sequence = try await gateway.desk.store.lastSequence()
        let (document, isFinal) = try await gateway.snapshot(identity.caller, of: job)
        try await out.send(event: "snapshot", id: "\(sequence)", data: String(decoding: document, as: UTF8.self))
        guard isFinal else { return sequence }
        try await told?.tell(job, to: writer)
        try await out.send(event: "end", data: "{}")
        return nil
    }

    @inline(never)
    private func tell(
        after sequence: Int64, _ told: RecordStream?, to writer: HTTPCore.BodyWriter
    ) async throws -> Told {
        // A key that was revoked meanwhile ends the stream.
        guard let caller = try? identity.renewed() else { return .end }
        let page = try await news(after: sequence, caller)
        var frames: [UInt8] = []
        for event in page.events {
            frames += EventStream.frame(event: event.type, id: "\(event.sequence)", line: EventDocument.bytes(event))
        }
        if !frames.isEmpty { try await writer.write(frames) }
        try await told?.tell(job, to: writer)
        if job != nil, page.events.contains(where: { EventDocument.state($0)?.isFinal == true }) {
            try await EventStream(writer).send(event: "end", data: "{}")
            return .end
        }
        if page.isFull { return .part(upTo: page.last) }
        if page.events.isEmpty { try Task.checkCancellation() }
        return .all(upTo: page.last)
    }

    /// What follows a number: mostly it was committed a moment ago and lies in memory.
    private func news(after sequence: Int64, _ caller: Caller) async throws -> EventPage {
        guard job != nil || caller.seesAllOwners,
            let tail = gateway.desk.store.recentEvents(after: sequence, job: job, limit: Self.eventsAtOnce)
        else { return try await gateway.readEvents(after: sequence, caller, of: job, limit: Self.eventsAtOnce) }
        return EventPage(tail.events, of: job, for: caller, last: tail.reach, limit: Self.eventsAtOnce)
    }
}
