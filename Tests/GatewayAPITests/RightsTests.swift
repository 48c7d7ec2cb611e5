import GatewayAPI
import HTTPCore
import Jobs
import Testing
import Wire

extension Route {
    /// The path with something in each place of the template.
    fileprivate var anyTarget: String {
        parameterNames.reduce(template) { path, name in
            path.replacing("{\(name)}", with: "7").replacing("{\(name)...}", with: "7")
        }
    }
}

/// A caller with the scopes of the field `X-Scopes`.
private func scoped(_ settings: inout GatewaySettings) {
    settings.identify = { Caller(owner: .local, scopes: $0["x-scopes"].flatMap { Scopes(words: $0) } ?? []) }
}

/// For everybody: they hold nothing of anybody's, or (`listWebhookKeys`) are public by their nature.
private let openRoutes: Set<String> = [
    "getLiveness", "getReadiness", "getOpenAPI", "getPage", "getAsset", "getProblem", "listWebhookKeys", "getDocs",
    "getManualPage",
    "consentByBrowser", "consent",
]
/// For everybody who is known.
private let knownRoutes: Set<String> = ["getMe", "getUsage"]

@Suite struct RightsTests {
    @Test func `every route asks for a scope, names it, and is content with it`() async throws {
        let rig = try Rig { scoped(&$0) }
        for route in rig.router.routes where !openRoutes.union(knownRoutes).contains(route.name) {
            let method = route.method.description
            let refused = try await rig.call(method, route.anyTarget)
            #expect(refused.status == 403, "\(route.name)")
            #expect(refused.problem == "insufficient-scope", "\(route.name)")
            let scope = refused.json["scope"]?.string ?? ""
            #expect(Scope(rawValue: scope) != nil, "\(route.name)")
            #expect(refused["www-authenticate"]?.contains("scope=\"\(scope)\"") == true, "\(route.name)")
            let granted = try await rig.call(method, route.anyTarget, [("X-Scopes", scope), ("Prefer", "wait=0")])
            #expect(granted.problem != "insufficient-scope", "\(route.name)")
        }
    }

    @Test func `what is open is open to whom nobody knows`() async throws {
        let rig = try Rig { $0.identify = { _ in throw Problem.credentialsMissing } }
        for route in rig.router.routes {
            let answer = try await rig.call(route.method.description, route.anyTarget)
            let isRefused = answer.status == 401 && answer.problem == "unauthenticated"
            #expect(isRefused != openRoutes.contains(route.name), "\(route.name): \(answer.status)")
            if isRefused { #expect(answer["www-authenticate"] == "Bearer realm=\"port77\"") }
        }
    }

    @Test func `who sees all jobs changes only his own, unless he is admin`() async throws {
        let rig = try Rig { scoped(&$0) }
        let job = try await rig.submit(owner: try #require(Owner("other")))
        func call(_ method: String, _ path: String, _ scopes: String) async throws -> String {
            let answer = try await rig.call(method, "/v1/jobs/\(job.id)" + path, [("X-Scopes", scopes)])
            return answer.status < 300 ? "done" : answer.problem ?? "-"
        }
        #expect(try await call("GET", "", "jobs:read") == "not-found")
        #expect(try await call("GET", "", "jobs:read jobs:read:all") == "done")
        #expect(try await call("GET", "/deck", "outputs:read jobs:read:all") == "done")
        #expect(try await call("POST", "/hold", "jobs:cancel") == "not-found")
        #expect(try await call("POST", "/hold", "jobs:cancel jobs:read:all") == "insufficient-scope")
        #expect(try await call("POST", "/hold", "admin") == "done")
    }
}
