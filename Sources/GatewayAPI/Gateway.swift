package import Engine
package import HTTPCore
import Jobs
import Lines
import Stores
import Synchronization

/// The HTTP face of the gateway: routes, and what they say. No rule about jobs lives here.
///
///     let gateway = Gateway(desk: desk, settings: settings)
///     var options = Server.Options()
///     options.fields = Gateway.fields
///     options.answered = gateway.answered
///     let server = Server(router: gateway.router, loops: loops, options: options)
package final class Gateway: Sendable {
    let desk: JobDesk
    let settings: GatewaySettings
    let figures: Figures
    let documents = DocumentCache()
    package let limiter: OwnerLimiter
    private let leaving = Atomic<Bool>(false)
    let tickets = Tickets()
    private let draining = Atomic<Bool>(false)

    package init(desk: JobDesk, settings: GatewaySettings = GatewaySettings()) {
        self.desk = desk
        self.settings = settings
        figures = Figures(now: desk.clock.now())
        limiter = OwnerLimiter(settings.ownerRates, ofLocal: settings.localRates, clock: desk.clock)
        desk.store.observe { [figures] in figures.committed($0) }
    }

    /// What every answer carries, problems included: nothing served here runs, frames or sniffs.
    package static let fields: Fields = [
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
    ]

    /// In addition over TLS: browsers come back by TLS only, for a year.
    package static let fieldsOverTLS: Fields = ["Strict-Transport-Security": "max-age=31536000"]

    /// For `Server.Options.answered`.
    package var answered: @Sendable (AnsweredRequest) -> Void {
        { [figures] request in figures.answered(request) }
    }

    /// The gateway is about to stop: `/readyz` says so, for those who spread requests. Everything is served still.
    package func announceStop() { leaving.store(true, ordering: .releasing) }

    /// The gateway stops: waits and event streams end. What reaches it is served still, so that no client is refused that came
    /// in time.
    package func drain() {
        announceStop()
        draining.store(true, ordering: .releasing)
        desk.watch.wakeAll()
    }

    /// Where the keys are asked.
    package var keyDoor: Door? { settings.door }

    var isLeaving: Bool { leaving.load(ordering: .acquiring) }
    var isDraining: Bool { draining.load(ordering: .acquiring) }

    package var router: Router {
        var router = Router()
        addJobRoutes(to: &router)
        addBatchRoutes(to: &router)
        addResolveRoutes(to: &router)
        addOutputRoutes(to: &router)
        addSearchRoutes(to: &router)
        addEventRoutes(to: &router)
        addHostRoutes(to: &router)
        addConsoleRoutes(to: &router)
        addUnclaimedRoutes(to: &router)
        addWebhookRoutes(to: &router)
        addHealthRoutes(to: &router)
        addTraceRoutes(to: &router)
        addSystemRoutes(to: &router)
        addStorageRoutes(to: &router)
        addAuditRoutes(to: &router)
        addKeyRoutes(to: &router)
        addMeRoutes(to: &router)
        return router
    }
}

extension Router {
    /// A route whose failures are translated to problems.
    mutating func route(
        _ method: Method, _ template: String, _ name: String, body: BodyRule = .none,
        _ handler: @escaping @Sendable (Request, RequestBody) async throws -> Response
    ) {
        on(method, template, name: name, body: body) { request, body in
            try await Problem.translating { try await handler(request, body) }
        }
    }
}

extension Problem {
    /// Runs `body`; what it throws of the rooms below becomes a problem.
    static func translating<Result>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as StoreError {
            throw Problem(error)
        } catch let error as DeskError {
            throw Problem(error)
        } catch let error as DeckIntake.Failure {
            throw Problem(error)
        } catch let error as FormError {
            throw error.problem
        } catch let found as DeckFaults {
            throw found.problem
        }
    }

    init(_ error: StoreError) {
        switch error {
        case .noSuchJob(let id): self.init(.notFound, "There is no job \(id).")
        case .noSuchFile(let id, let number): self.init(.notFound, "The job \(id) has no output \(number).")
        case .conflict(let conflict):
            self.init(
                .stateConflict,
                "The job is \(conflict.state.rawValue), which does not allow \(conflict.action.verb).")
            members["state"] = conflict.state.rawValue
            retryable = false
        case .hostJobTaken(let number, let other):
            self.init(
                .stateConflict, "The host's job \(number) is followed as the job \(other) already.",
                job: "/v1/jobs/\(other)")
            retryable = false
        case .corrupt(let what):
            self.init(.corrupt, "What is stored is damaged and is not handed out: \(what).")
            retryable = false
        case .purged(let what): self.init(.purged, "No longer kept: \(what).")
        case .undelivered(let id, let count):
            self.init(
                .stateConflict, "The job \(id) still has \(count) webhooks to be told of; it can be purged after.",
                retryAfter: 60)
            retryable = true
        case .unavailable(let words):
            self.init(.storageUnavailable, "The store fails, nothing was acknowledged: \(words)", retryAfter: 5)
        case .closed: self.init(.draining, "The gateway is stopping.", retryAfter: 5)
        }
    }

    init(_ error: DeskError) {
        switch error {
        case .lacks(let host, let ability):
            self.init(.stateConflict, "The host \(host) cannot do this: it lacks the ability \(ability).")
            members["ability"] = ability
            retryable = false
        case .hostRefused(let host, let words):
            self.init(.stateConflict, "The host \(host) was asked and refused: \(words)")
            retryable = false
        case .hostSilent(let host, let words):
            self.init(.hostUnavailable, "The host \(host) could not be asked: \(words)", retryAfter: 10)
        case .full(let hit, let seconds):
            let measure = hit.measure == .jobs ? "jobs" : "octets of decks"
            switch hit.subject {
            case .host:
                self.init(
                    .queueFull, "As many \(measure) as may wait for this host do wait: \(hit.limit).",
                    retryAfter: seconds)
            case .owner where hit.measure == .stored:
                self.init(
                    .quotaExceeded, "As many octets as may be stored of you are stored: \(hit.limit).",
                    retryAfter: seconds)
                violatedPolicies = ["stored-octets"]
            case .owner where hit.measure == .active:
                self.init(
                    .quotaExceeded,
                    "As many jobs of yours as may be under way on one host have not ended there: \(hit.limit).",
                    retryAfter: seconds)
                violatedPolicies = ["active-jobs"]
            case .owner:
                self.init(
                    .quotaExceeded, "As many \(measure) of yours as may wait do wait: \(hit.limit).",
                    retryAfter: seconds)
                violatedPolicies = [hit.measure == .jobs ? "waiting-jobs" : "waiting-octets"]
            }
        case .hostMissing(let known):
            self.init(
                .unknownHost, "Several hosts are configured: name one with ?host= (\(known.joined(separator: ", "))).",
                errors: [Item(code: "host-missing", detail: "The request names no host.")])
        case .unknownHost(let name, let known):
            let words = known.isEmpty ? "none is configured" : "known are \(known.joined(separator: ", "))"
            self.init(
                .unknownHost, "There is no host \"\(name.prefix(64))\"; \(words).",
                errors: [Item(code: "unknown-host", detail: "There is no such host.")])
        case .unknownTemplate(let name, let host, let known):
            let words = known.isEmpty ? "it has none" : "it has \(known.joined(separator: ", "))"
            self.init(
                .invalidField, "The host \(host) has no template \"\(name.prefix(64))\"; \(words).",
                errors: [Item(code: "unknown-template", detail: "There is no such template.")])
        }
    }

    init(_ failure: DeckIntake.Failure) {
        switch failure {
        case .tooLarge(let limit):
            self.init(.contentTooLarge, "The deck is larger than \(limit) octets, the most this host takes.")
        case .faults: self = DeckFaults(failure)?.problem ?? Problem(.invalidDeck, "The deck has a fault.")
        case .store(let error): self.init(error)
        }
    }
}

extension JobAction {
    /// For people.
    var verb: String {
        switch self {
        case .hold: "hold"
        case .release: "release"
        case .cancel: "cancel"
        case .purge: "purge"
        case .decided: "a decision"
        case .wait, .beginSending, .accepted, .returned, .lostInClosing, .refused, .running, .printing, .finished,
            .expire, .abandon, .cancelAnswered, .timeOut, .heldAtHost, .releasedAtHost:
            "this change"
        }
    }
}
