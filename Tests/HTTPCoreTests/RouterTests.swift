import HTTPCore
import Testing

@Suite struct RouterTests {
    private static var router: Router {
        var router = Router()
        for (method, template, name) in [
            (Method.get, "/v1/jobs", "listJobs"), (.post, "/v1/jobs", "submitJob"),
            (.post, "/v1/jobs:validate", "validate"), (.get, "/v1/jobs/{id}", "getJob"),
            (.get, "/v1/jobs/{id}/outputs/{n}", "getOutput"), (.get, "/v1/jobs/special/outputs", "special"),
            (.get, "/v1/jobs/{id}/outputs", "listOutputs"), (.get, "/", "page"), (.get, "/assets/{path...}", "asset"),
            (.head, "/v1/jobs/{id}/deck", "headDeck"), (.get, "/v1/jobs/{id}/deck", "getDeck"),
            (.delete, "/v1/only", "only"),
        ] { router.immediate(method, template, name: name) { _ in .empty() } }
        return router
    }

    private static func describe(_ match: Router.Match) -> String {
        switch match {
        case .route(let route, let parameters): ([route.name] + parameters).joined(separator: " ")
        case .notFound: "404"
        case .methodNotAllowed(let allow): "405 \(allow)"
        case .options(let allow): "204 \(allow)"
        case .methodUnknown: "501"
        }
    }

    @Test(arguments: [
        (Method.get, "/v1/jobs", "listJobs"), (.post, "/v1/jobs", "submitJob"),
        (.post, "/v1/jobs:validate", "validate"),
        (.get, "/v1/jobs/7", "getJob 7"), (.get, "/v1/jobs/a%2Fb%20c", "getJob a/b c"),
        (.get, "/v1/jobs/7/outputs/2", "getOutput 7 2"), (.get, "/v1/jobs/special/outputs", "special"),
        (.get, "/v1/jobs/special/outputs/1", "getOutput special 1"), (.get, "/v1/jobs/special", "getJob special"),
        (.get, "/v1/j%6Fbs", "listJobs"), (.get, "/", "page"), (.get, "/assets/a/b.css", "asset a/b.css"),
        (.get, "/assets/", "asset "), (.get, "/v1/jobs/", "404"), (.get, "//v1/jobs", "404"), (.get, "/v1", "404"),
        (.get, "/v1/jobs/7/outputs/2/3", "404"), (.get, "/v1/jobs%2F7", "404"), (.head, "/v1/jobs/7", "getJob 7"),
        (.head, "/v1/jobs/7/deck", "headDeck 7"), (.get, "/v1/jobs/7/deck", "getDeck 7"),
        (.put, "/v1/jobs", "405 GET, HEAD, POST, OPTIONS"), (.get, "/v1/jobs:validate", "405 POST, OPTIONS"),
        (.head, "/v1/only", "405 DELETE, OPTIONS"), (.options, "/v1/jobs", "204 GET, HEAD, POST, OPTIONS"),
        (.options, "/nothing", "404"), (.trace, "/v1/only", "405 DELETE, OPTIONS"), (.connect, "/v1/jobs", "501"),
        (.options, "*", "204 GET, HEAD, POST, DELETE, OPTIONS"),
    ])
    func `a path finds its route`(_ method: HTTPCore.Method, _ path: String, _ found: String) {
        #expect(Self.describe(Self.router.match(method, path: Array(path.utf8)[...])) == found)
    }

    @Test func `an unknown method is 501 everywhere`() {
        #expect(Self.describe(Self.router.match(nil, path: Array("/v1/jobs".utf8)[...])) == "501")
        #expect(Self.describe(Self.router.match(nil, path: Array("/nothing".utf8)[...])) == "501")
    }

    @Test func `routes can be listed`() {
        #expect(Self.router.routes.count == 12)
        #expect(Self.router.routes.first?.template == "/v1/jobs")
        #expect(Self.router.routes[4].parameterNames == ["id", "n"])
    }

    @Test(
        arguments: [
            ("GET", HTTPCore.Method.get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete),
            ("PATCH", .patch),
            ("OPTIONS", .options), ("TRACE", .trace), ("CONNECT", .connect), ("get", nil), ("GeT", nil), ("GOT", nil),
            ("POLL", nil), ("TRADE", nil), ("OPTIONZ", nil), ("", nil), ("X", nil), ("PROPFIND", nil),
        ] as [(String, HTTPCore.Method?)])
    func `a method is known by its exact name`(_ name: String, _ method: HTTPCore.Method?) {
        let octets = Array(name.utf8)
        #expect(HTTPCore.Method(octets.span) == method)
    }
}
