import Crypto
import Foundation
package import HTTPCore
import Wire

/// The files of the web page, read once and served from memory.
package struct Assets: Sendable {
    struct Asset: Sendable {
        let contentType: String
        let bytes: [UInt8]
        let tag: String
    }

    private(set) var files: [String: Asset] = [:]

    package init() {}

    /// Reads every file of a folder whose type is known, `index.html` first of all. A folder that is not there gives no page.
    package init(folder: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in names where !name.hasPrefix(".") {
            guard let data = FileManager.default.contents(atPath: folder + "/" + name) else { continue }
            add(name, Array(data))
        }
    }

    package mutating func add(_ name: String, _ bytes: [UInt8]) {
        guard let type = Self.types[name.split(separator: ".").last.map(String.init) ?? ""] else { return }
        let hash = Hex.encode(Array(SHA256.hash(data: bytes)).prefix(12))
        files[name] = Asset(contentType: type, bytes: bytes, tag: "\"\(hash)\"")
    }

    package var names: [String] { files.keys.sorted() }

    private static let types = [
        "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8",
        "svg": "image/svg+xml", "png": "image/png", "ico": "image/x-icon", "txt": "text/plain; charset=utf-8",
        "woff2": "font/woff2", "json": "application/json",
    ]

    /// Only its own script and style, only its own origin, nobody's frame.
    package static let fields: Fields = [
        "Content-Security-Policy":
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
            + "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
            + "require-trusted-types-for 'script'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        // Asked about each time, answered with 304 when it is the same.
        "Cache-Control": "no-cache",
    ]

    func answer(_ name: String, to request: Request) throws(Problem) -> Response {
        guard let file = files[name] else { throw Problem(.notFound, "There is nothing at this path.") }
        var fields = Self.fields
        fields.add("ETag", file.tag)
        if request.alreadyHas(file.tag) { return .empty(304, fields: fields) }
        return Response(contentType: file.contentType, fields: fields, body: .bytes(file.bytes))
    }
}
