import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addSystemRoutes(to router: inout Router) {
        router.immediate(.get, "/openapi.json", name: "getOpenAPI") { [settings] request in
            _ = try QueryReader(request)
            guard !settings.openAPI.isEmpty else {
                throw Problem(.notFound, "This gateway was started without its description.")
            }
            return .json(settings.openAPI, fields: ["Cache-Control": "no-cache"])
        }
        router.immediate(.get, "/", name: "getPage") { [settings] request in
            try settings.assets.answer("index.html", to: request)
        }
        router.immediate(.get, "/docs", name: "getDocs") { [settings] request in
            try settings.assets.answer("docs.html", to: request)
        }
        router.immediate(.get, "/assets/{file}", name: "getAsset") { [settings] request in
            try settings.assets.answer(request.parameter("file") ?? "", to: request)
        }
        router.immediate(.get, "/problems/{slug}", name: "getProblem") { request in
            _ = try QueryReader(request)
            return try ProblemPage.answer(request)
        }
    }
}

/// What a problem's `type` leads to.
enum ProblemPage {
    static func answer(_ request: Request) throws(Problem) -> Response {
        let slug = request.parameter("slug") ?? ""
        guard let kind = ProblemKind.all.first(where: { $0.slug == slug }) else {
            throw Problem(.notFound, "There is no problem \"\(slug.prefix(64))\".")
        }
        let fields: Fields = ["Cache-Control": "max-age=3600", "Vary": "Accept"]
        let advice = advice[kind.slug] ?? "The member detail of the answer says more."
        switch try request.negotiate([MediaTypes.html, MediaTypes.text]) {
        case MediaTypes.text:
            return .text("\(kind.title) (\(kind.status) \(kind.slug))\n\n\(advice)\n", fields: fields)
        case _:
            // Nothing of the request stands in the page: only our own texts, which hold no markup.
            let page = """
                <!doctype html><html lang="en"><meta charset="utf-8">\
                <meta name="viewport" content="width=device-width, initial-scale=1"><title>\(kind.title)</title>\
                <h1>\(kind.title)</h1><p>Status \(kind.status), type <code>/problems/\(kind.slug)</code>.</p>\
                <p>\(escaped(advice))</p><p><a href="/">Port77</a></p></html>\n
                """
            return Response(contentType: MediaTypes.utf8HTML, fields: fields, body: .bytes(Array(page.utf8)))
        }
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "&": escaped += "&amp;"
            default: escaped.append(character)
            }
        }
        return escaped
    }

    private static let advice = [
        "malformed-request":
            "The request cannot be understood, or has a query parameter that this path does not know: check the spelling.",
        "invalid-cursor":
            "Cursors are good for a day, with the filters they were made for. Begin the list again without the cursor.",
        "digest-mismatch": "The body arrived other than it was sent. Send it again.",
        "idempotency-key-invalid":
            "A key is 1 to 255 of A-Z a-z 0-9 . _ : - and stands in Idempotency-Key or in the path.",
        "not-found": "There is no such path, job, host or output; a job of another owner is not there for you either.",
        "method-not-allowed": "The path has other methods; the field Allow names them.",
        "not-acceptable": "The path is not served in any type that the field Accept takes.",
        "request-timeout": "The request came too slowly.",
        "state-conflict":
            "The job's state does not allow this now. Output is there when the job has ended: Prefer: wait=60 waits for it.",
        "content-too-large": "The body is larger than the host or this path takes.",
        "unsupported-media-type":
            "Send the deck with curl -T deck.jcl or --data-binary @deck.jcl: -d removes its line ends. Decks are UTF-8.",
        "range-not-satisfiable": "The output is shorter than the range begins; Content-Range tells its length.",
        "idempotency-key-reused": "The key belongs to another request. Use a new key for a new job.",
        "invalid-deck":
            "The member errors lists every fault with line and column. Nothing was stored and nothing was sent.",
        "invalid-field": "The member errors lists every option that is not valid. Nothing was stored.",
        "unknown-host": "GET /v1/hosts lists the hosts. With more than one, ?host= must name one.",
        "precondition-failed": "The job has changed since you read it: read it again.",
        "draining": "The gateway is stopping. Try again when it is back; Retry-After says when.",
        "storage-unavailable": "The gateway cannot write to its disk. Nothing was stored; try again later.",
        "corrupt":
            "What is stored does not match its checksum, or its file is gone. Other files of the job are not touched by it; "
            + "GET /v1/storage lists what is damaged. Restore the file from a backup.",
        "purged": "It was removed, on request or because it was older than this gateway keeps it.",
        "internal": "The gateway failed. Its log has more under the request ID.",
    ]
}
