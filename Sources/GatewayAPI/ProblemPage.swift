import HTTPCore
import Wire

/// What a problem's `type` leads to: what has happened, what to do, and such a document.
struct ProblemPage {
    let kind: ProblemKind
    let meaning: String
    let remedy: String
    /// The member `detail` of the example.
    let detail: String?

    static func answer(_ request: Request) throws(Problem) -> Response {
        let slug = request.parameter("slug") ?? ""
        guard let kind = ProblemKind.all.first(where: { $0.slug == slug }) else {
            throw Problem(.notFound, "There is no problem \"\(slug.prefix(64))\".")
        }
        let page = ProblemPage(kind)
        let fields: Fields = ["Cache-Control": "max-age=3600", "Vary": "Accept"]
        switch try request.negotiate([MediaTypes.html, MediaTypes.text, MediaTypes.json]) {
        case MediaTypes.text: return .text(page.text, fields: fields)
        case MediaTypes.json: return .json(page.json, fields: fields)
        case _:
            // The same policy as the web page: its style, no script.
            var fields = Assets.fields
            fields["Cache-Control"] = "max-age=3600"
            fields.add("Vary", "Accept")
            return Response(contentType: MediaTypes.utf8HTML, fields: fields, body: .bytes(Array(page.html.utf8)))
        }
    }

    init(_ kind: ProblemKind) {
        self.kind = kind
        let words = Self.words[kind.slug]
        meaning = words?.meaning ?? "\(kind.title)."
        remedy = words?.remedy ?? "The member detail of the answer says more."
        detail = words?.example
    }

    private var example: String? {
        detail.map { String(decoding: Problem(kind, $0).json, as: UTF8.self) }
    }

    private var text: String {
        "\(kind.title) (\(kind.status) \(kind.slug))\n\n\(meaning)\n\nWhat to do: \(remedy)\n"
            + (example.map { "\nExample: \($0)\n" } ?? "")
    }

    private var json: [UInt8] {
        var json = JSONWriter(capacity: 512)
        json.beginObject()
        json.key("type")
        json.string("/problems/\(kind.slug)")
        json.key("status")
        json.int(kind.status)
        json.key("title")
        json.string(kind.title)
        json.key("meaning")
        json.string(meaning)
        json.key("remedy")
        json.string(remedy)
        if let example {
            json.key("example")
            json.string(example)
        }
        json.endObject()
        return json.bytes
    }

    /// Nothing of the request stands in it: only texts of our own.
    private var html: String {
        let sample = example.map { "<h2>Example</h2><pre class=\"example\">\(Markdown.escaped($0))</pre>" } ?? ""
        let more = Self.pages[kind.slug].map { "<p>More in the manual: <a href=\"/docs/\($0)\">\($0)</a></p>" } ?? ""
        return """
            <!doctype html><html lang="en"><meta charset="utf-8">\
            <meta name="viewport" content="width=device-width, initial-scale=1">\
            <meta name="color-scheme" content="light dark"><title>\(Markdown.escaped(kind.title)) - Port77</title>\
            <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">\
            <link rel="stylesheet" href="/assets/style.css"><link rel="stylesheet" href="/assets/docs.css">\
            <header class="top"><h1><a href="/">Port77</a></h1><p class="link"><a href="/docs">API</a></p></header>\
            <main class="problem"><section class="card"><h1>\(Markdown.escaped(kind.title))</h1>\
            <p>Status <strong>\(kind.status)</strong>, type <code>/problems/\(kind.slug)</code></p>\
            <h2>What has happened</h2><p>\(Markdown.escaped(meaning))</p>\
            <h2>What to do</h2><p>\(Markdown.escaped(remedy))</p>\(more)\(sample)</section></main></html>\n
            """
    }
}
