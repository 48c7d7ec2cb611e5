import Foundation
import GatewayAPI
import HTTPCore
import Testing

/// The pages below `/docs/`.
struct ManualTests {
    private static let docs = Rig.root + "/docs"
    private static let names =
        (try? FileManager.default.contentsOfDirectory(atPath: docs))?
        .filter { $0.hasSuffix(".md") }.map { String($0.dropLast(3)) }.sorted() ?? []

    private static func html(_ markdown: String) async throws -> String {
        let rig = try Rig { $0.manual = ManualPages(["page": markdown]) }
        let text = try await rig.get("/docs/page", ("Accept", "text/html")).text
        let body = try #require(text.firstMatch(of: /<main[^>]*>(?<body>(?s:.*))<\/main>/))
        return String(body.output.body)
    }

    @Test(arguments: [
        ("# A <b> & C", "<h1 id=\"a-b--c\">A &lt;b&gt; &amp; C</h1>\n"),
        ("one\ntwo\n\nthree", "<p>one two</p>\n<p>three</p>\n"),
        (
            "a `<i> *x*` **b `c`** *d* `",
            "<p>a <code>&lt;i&gt; *x*</code> <strong>b <code>c</code></strong> <em>d</em> `</p>\n"
        ),
        ("2 * 3 * 4 and PAY*", "<p>2 * 3 * 4 and PAY*</p>\n"),
        (
            "<!-- check:\nall -->\n```sh\ncurl <x> | y\n\n# no\n```\n",
            "<pre class=\"example\">curl &lt;x&gt; | y\n\n# no\n</pre>\n"
        ),
        ("```\nnever closed <", "<pre class=\"example\">never closed &lt;\n</pre>\n"),
        ("* one\n  more\n* two\n", "<ul><li>one more</li><li>two</li></ul>\n"),
        ("1. one\n2. two\n\nend", "<ol><li>one</li><li>two</li></ol>\n<p>end</p>\n"),
        (
            "| a | `b|c` |\n| --- | --- |\n| x \\| y | |\n",
            "<div class=\"table\"><table><thead><tr><th>a</th><th><code>b|c</code></th></tr></thead>"
                + "<tbody><tr><td>x | y</td><td></td></tr></tbody></table></div>\n"
        ),
        ("[a](lists.md#x) [b](#y)", "<p><a href=\"/docs/lists#x\">a</a> <a href=\"#y\">b</a></p>\n"),
        ("[c](https://a.example/?b&c)", "<p><a href=\"https://a.example/?b&amp;c\">c</a></p>\n"),
        ("[d](javascript:alert(1))", "<p>[d](javascript:alert(1))</p>\n"),
        ("[e](../x/y.md) [f](//a.example)", "<p>[e](../x/y.md) [f](//a.example)</p>\n"),
        ("<script>\"x\"</script>", "<p>&lt;script&gt;&quot;x&quot;&lt;/script&gt;</p>\n"), ("", ""), ("<!-- open", ""),
    ])
    func `Markdown becomes HTML, and nothing of it markup by itself`(_ markdown: String, _ html: String) async throws {
        #expect(try await Self.html(markdown) == html)
    }

    @Test func `each page is there for people and for curl, and every link in it leads somewhere`() async throws {
        let rig = try Rig()
        #expect(Self.names.count > 10)
        var places: Set<String> = []
        var links: [(from: String, to: String)] = []
        for name in Self.names {
            let source = try #require(FileManager.default.contents(atPath: "\(Self.docs)/\(name).md"))
            for (path, accept) in [(name, "*/*"), ("\(name).md", "text/html, */*;q=0.5"), (name, "text/markdown")] {
                let text = try await rig.get("/docs/\(path)", ("Accept", accept))
                #expect(text.mediaType == "text/markdown" && text.body == Array(source), "\(path) \(accept)")
            }
            let page = try await rig.get("/docs/\(name)", ("Accept", "text/html"))
            #expect(page.status == 200 && page.mediaType == "text/html")
            #expect(page["content-security-policy"]?.contains("script-src 'self'") == true)
            #expect(!page.text.contains("<script") && !page.text.contains("style="), "nothing inline")
            #expect(Self.isBalanced(page.text), "\(name)")
            let tag = try #require(page["etag"])
            #expect(try await rig.get("/docs/\(name)", ("Accept", "text/html"), ("If-None-Match", tag)).status == 304)
            #expect(try await rig.get("/docs/\(name)", ("If-None-Match", tag)).status == 200, "the other form")
            places.insert("/docs/\(name)")
            places.formUnion(page.text.matches(of: /\sid="([^"]+)"/).map { "/docs/\(name)#\($0.output.1)" })
            for link in page.text.matches(of: /\shref="([^"]+)"/).map({ String($0.output.1) }) {
                links.append((name, link.hasPrefix("#") ? "/docs/\(name)\(link)" : link))
            }
        }
        for link in links where link.to.hasPrefix("/docs/") && !link.to.hasSuffix(".md") {
            #expect(places.contains(link.to), "\(link.from) leads to \(link.to)")
        }
        #expect(try await rig.get("/docs/nope").status == 404)
        #expect(try await rig.get("/docs/cli", ("Accept", "image/png")).status == 406)
    }

    @Test func `the API's page leads to every page of the manual, and problems to theirs`() async throws {
        let rig = try Rig()
        let page = try await rig.get("/docs").text
        #expect(page.matches(of: /href="\/docs\/([^"]+)"/).map { String($0.output.1) }.sorted() == Self.names)
        var count = 0
        for kind in ProblemKind.all {
            let text = try await rig.get("/problems/\(kind.slug)", ("Accept", "text/html")).text
            for link in text.matches(of: /href="\/docs\/([^"]+)"/) {
                #expect(Self.names.contains(String(link.output.1)), "\(kind.slug)")
                count += 1
            }
        }
        #expect(count > 10)
    }

    /// Every element that has to be is closed, in the right order.
    private static func isBalanced(_ html: String) -> Bool {
        var open: [Substring] = []
        for tag in html.matches(of: /<(\/?)([a-z][a-z0-9]*)[^>]*>/) {
            if ["meta", "link", "html"].contains(tag.output.2) { continue }
            if tag.output.1.isEmpty {
                open.append(tag.output.2)
            } else if open.popLast() != tag.output.2 {
                return false
            }
        }
        return open.isEmpty
    }
}
