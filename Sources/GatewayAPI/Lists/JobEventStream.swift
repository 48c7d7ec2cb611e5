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

    func run(after: Int64?, to writer: HTTPCore.BodyWriter) async throws {
        gateway.figures.streamBegan()
        defer { gateway.figures.streamEnded() }
        let life = gateway.settings.longestStream * Double.random(in: 0.9...1.1)
        let end = ContinuousClock.now.advanced(by: life)
        let out = EventStream(writer)
        try await out.retry(after: 1000)
        var told = records.map { RecordStream(gateway: gateway, after: $0) }
        var sequence: Int64
        if let after {
            sequence = try await begin(after, out)
        } else {
            sequence = try await gateway.desk.store.lastSequence()
            let (document, isFinal) = try await gateway.snapshot(identity.caller, of: job)
            try await out.send(event: "snapshot", id: "\(sequence)", data: String(decoding: document, as: UTF8.self))
            if isFinal {
                try await told?.tell(job, to: writer)
                return try await out.send(event: "end", data: "{}")
            }
        }
        while !gateway.isDraining, ContinuousClock.now < end {
            // A key that was revoked meanwhile ends the stream.
            guard let caller = try? identity.renewed() else { return }
            let page = try await gateway.readEvents(after: sequence, caller, of: job, limit: Self.eventsAtOnce)
            sequence = page.last
            var frames: [UInt8] = []
            for event in page.events {
                let data = String(decoding: EventDocument.bytes(event), as: UTF8.self)
                frames += EventStream.frame(event: event.type, id: "\(event.sequence)", data: data)
            }
            if !frames.isEmpty { try await writer.write(frames) }
            try await told?.tell(job, to: writer)
            if job != nil, page.events.contains(where: { EventDocument.state($0)?.isFinal == true }) {
                return try await out.send(event: "end", data: "{}")
            }
            if page.isFull { continue }
            if page.events.isEmpty { try Task.checkCancellation() }
            let before = ContinuousClock.now
            await subscription.next(within: gateway.settings.keepAlive)
            if ContinuousClock.now - before >= gateway.settings.keepAlive { try await out.comment("keep-alive") }
        }
    }

    /// Goes on where a client stopped.
    ///
    /// - Returns: the number to go on after: what the client knows, unless the store does not have what follows it.
    private func begin(_ after: Int64, _ out: EventStream) async throws -> Int64 {
        guard let oldest = try await gateway.gap(after: after) else { return after }
        try await out.send(event: "gap", id: "\(oldest - 1)", data: "{\"oldest\":\(oldest)}")
        return oldest - 1
    }
}
