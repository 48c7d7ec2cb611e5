import Engine
import HTTPCore
import Jobs
import Synchronization
import Wire

/// Who listens to a stream, and how to find out later whether he still may.
struct Identity: Sendable {
    let caller: Caller
    private let renew: @Sendable () throws -> Caller

    init(_ caller: Caller, _ renew: @escaping @Sendable () throws -> Caller) {
        self.caller = caller
        self.renew = renew
    }

    func renewed() throws -> Caller { try renew() }
}

/// Tickets for browsers, whose `EventSource` cannot send a key: each opens one stream, once, within half a minute. They lie in
/// memory only; one that a restart loses is asked for again.
final class Tickets: Sendable {
    private struct Ticket {
        let owner: Owner
        let expires: ContinuousClock.Instant
        let renew: @Sendable () throws -> Caller
    }

    /// Of one owner at a time.
    static let mostOfOwner = 100

    private let tickets = Mutex<[String: Ticket]>([:])

    /// - Returns: nil when the owner has so many already.
    func issue(
        to owner: Owner, for life: Duration, at now: ContinuousClock.Instant = .now,
        _ renew: @escaping @Sendable () throws -> Caller
    ) -> String? {
        let text = Base64.encode((0..<24).map { _ in UInt8.random(in: .min ... .max) }, .url)
        return tickets.withLock { tickets in
            tickets = tickets.filter { $0.value.expires > now }
            guard tickets.values.count(where: { $0.owner == owner }) < Self.mostOfOwner else { return nil }
            tickets[text] = Ticket(owner: owner, expires: now.advanced(by: life), renew: renew)
            return text
        }
    }

    func redeem(_ text: String, at now: ContinuousClock.Instant = .now) -> (@Sendable () throws -> Caller)? {
        let ticket = tickets.withLock { $0.removeValue(forKey: text) }
        return ticket.flatMap { $0.expires > now ? $0.renew : nil }
    }
}

extension Gateway {
    /// Who wants events: by a ticket, or as everywhere.
    func identity(of request: Request) throws -> Identity {
        guard let ticket = request.query["ticket"] else {
            return Identity(try caller(of: request, for: .jobsRead), renewing(request))
        }
        guard let renew = tickets.redeem(ticket) else {
            throw Problem(
                .invalidCredentials, "The ticket was used, or is older than 30 s; ask for a new one.",
                fields: ["WWW-Authenticate": Problem.realm])
        }
        return Identity(try renew(), renew)
    }

    /// To ask again who it is: no request of his own, so none is counted.
    private func renewing(_ request: Request) -> @Sendable () throws -> Caller {
        { [settings] in try settings.identify(request).asking(for: .jobsRead) }
    }

    func createTicket(_ request: Request) throws -> Response {
        let caller = try caller(of: request, for: .jobsRead)
        _ = try QueryReader(request)
        let issued = tickets.issue(to: caller.owner, for: settings.ticketLife, renewing(request))
        guard let issued else {
            throw Problem(.quotaExceeded, "\(Tickets.mostOfOwner) tickets wait to be used.", retryAfter: 30)
        }
        var json = JSONWriter()
        json.beginObject()
        json.key("ticket")
        json.string(issued)
        json.key("expires_at")
        json.string(desk.clock.now().advanced(by: settings.ticketLife).rfc3339)
        json.key("links")
        json.beginObject()
        json.key("events")
        json.string("/v1/events?ticket=\(issued)")
        json.endObject()
        json.endObject()
        return .json(json.bytes, fields: ["Cache-Control": "no-store"])
    }
}
