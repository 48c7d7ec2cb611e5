import Crypto
import Foundation
import HTTPCore
import Wire

/// The pages of `docs/`, rendered once and served from memory: to people as HTML, to `curl` as they are written.
package struct ManualPages: Sendable {
    private struct Page: Sendable {
        let title: String
        let text: [UInt8]
        let html: [UInt8]
        let tag: String
    }

    private var pages: [String: Page] = [:]

    package init() {}

    package init(folder: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        var texts: [String: String] = [:]
        for name in names where name.hasSuffix(".md") && !name.hasPrefix(".") {
            guard let data = FileManager.default.contents(atPath: folder + "/" + name) else { continue }
            texts[String(name.dropLast(3))] = String(decoding: data, as: UTF8.self)
        }
        self.init(texts)
    }

    /// - Parameter texts: Markdown by name.
    package init(_ texts: [String: String]) {
        let parsed = texts.mapValues { Markdown($0) }
        let index = parsed.map { (name: $0.key, title: $0.value.title) }.sorted { $0.title < $1.title }
        for (name, text) in texts {
            guard let page = parsed[name] else { continue }
            let octets = Array(text.utf8)
            let hash = Hex.encode(Array(SHA256.hash(data: octets)).prefix(12))
            pages[name] = Page(
                title: page.title, text: octets, html: Array(Self.html(page, name, index).utf8), tag: hash)
        }
    }

    package var names: [String] { pages.keys.sorted() }

    func answer(_ request: Request) throws(Problem) -> Response {
        var name = request.parameter("file") ?? ""
        let isSource = name.hasSuffix(".md")
        if isSource { name.removeLast(3) }
        guard let page = pages[name] else { throw Problem(.notFound, "There is no page \"\(name.prefix(64))\".") }
        let type = try request.negotiate(isSource ? [MediaTypes.markdown] : [MediaTypes.markdown, MediaTypes.html])
        let isText = type == MediaTypes.markdown
        let tag = "\"\(page.tag)\(isText ? "" : "-html")\""
        var fields = Assets.fields
        fields.add("ETag", tag)
        fields.add("Vary", "Accept")
        if request.alreadyHas(tag) { return .empty(304, fields: fields) }
        return Response(
            contentType: isText ? MediaTypes.utf8Markdown : MediaTypes.utf8HTML, fields: fields,
            body: .bytes(isText ? page.text : page.html))
    }

    private static func html(_ page: Markdown, _ name: String, _ index: [(name: String, title: String)]) -> String {
        let places = page.sections.map {
            "<li><a href=\"#\($0.id)\"><span>\(Markdown.escaped($0.title))</span></a></li>"
        }
        let others = index.map { other in
            let here = other.name == name ? " class=\"here\" aria-current=\"page\"" : ""
            return "<li><a href=\"/docs/\(other.name)\"\(here)><span>\(Markdown.escaped(other.title))</span></a></li>"
        }
        return """
            <!doctype html><html lang="en"><meta charset="utf-8">\
            <meta name="viewport" content="width=device-width, initial-scale=1">\
            <meta name="color-scheme" content="light dark"><title>\(Markdown.escaped(page.title)) - Port77</title>\
            <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">\
            <link rel="stylesheet" href="/assets/style.css"><link rel="stylesheet" href="/assets/docs.css">\
            <body class="docs"><a class="skip" href="#content">Skip to the text</a>\
            <header class="top"><h1><a href="/">Port77</a></h1><p class="tag">the manual</p>\
            <p class="link"><a href="/docs">API</a></p><p class="link"><a href="/docs/\(name).md">as text</a></p></header>\
            <div class="frame"><nav class="side" aria-label="Pages"><div id="index">\
            <h2>This page</h2><ul>\(places.joined())</ul><h2>Pages</h2><ul>\(others.joined())</ul></div></nav>\
            <main id="content" class="content prose manual" tabindex="-1">\(page.html)</main></div></body></html>\n
            """
    }
}
