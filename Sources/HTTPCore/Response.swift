/// An answer, as a handler makes it.
///
/// Length, `Date`, `Request-Id` and `Connection` are the server's business and not among the fields; the media type is
/// `contentType`, not a field either.
package struct Response: Sendable {
    package enum Body: Sendable {
        /// Nothing. With 200 and the like `Content-Length: 0` is sent.
        case none
        case bytes([UInt8])
        case text(StaticString)
        /// Written piece by piece by the closure, which runs after the head has gone. `length` is sent as
        /// `Content-Length` and must be kept; `nil` sends chunks. An error thrown cuts the connection, so that the
        /// client sees an incomplete body. With HEAD the closure does not run.
        case stream(length: Int?, @Sendable (BodyWriter) async throws -> Void)
    }

    package var status: Int
    package var contentType: String?
    package var fields: Fields
    package var body: Body

    package init(status: Int = 200, contentType: String? = nil, fields: Fields = [:], body: Body = .none) {
        self.status = status
        self.contentType = contentType
        self.fields = fields
        self.body = body
    }

    package static func json(_ bytes: [UInt8], status: Int = 200, fields: Fields = [:]) -> Response {
        Response(status: status, contentType: "application/json", fields: fields, body: .bytes(bytes))
    }

    package static func text(_ text: String, status: Int = 200, fields: Fields = [:]) -> Response {
        Response(
            status: status, contentType: "text/plain; charset=utf-8", fields: fields, body: .bytes(Array(text.utf8)))
    }

    package static func stream(
        contentType: String, length: Int? = nil, status: Int = 200, fields: Fields = [:],
        _ write: @escaping @Sendable (BodyWriter) async throws -> Void
    ) -> Response {
        Response(status: status, contentType: contentType, fields: fields, body: .stream(length: length, write))
    }

    /// 204 and other answers without body.
    package static func empty(_ status: Int = 204, fields: Fields = [:]) -> Response {
        Response(status: status, fields: fields)
    }

    /// What can be sent: a final status, valid fields, none of those the server sets itself.
    var isSendable: Bool {
        (200...599).contains(status) && fields.isValid
            && (contentType.map { !$0.isEmpty && $0.utf8.allSatisfy(Octet.isFieldValue) } ?? true)
            && !fields.items.contains { item in
                Response.serverFields.contains { $0.isEqualIgnoringCase(to: item.name) }
            }
    }

    private static let serverFields = [
        "Content-Length", "Transfer-Encoding", "Connection", "Date", "Request-Id", "Content-Type", "Trailer",
    ]

    /// RFC 9110, 6.4.1: these never have a body, whatever the handler said.
    var forbidsBody: Bool { status == 204 || status == 304 }
}

enum StatusLine {
    /// With HTTP/1.1 and CRLF, also to clients of HTTP/1.0 (RFC 9112, 2.3).
    static func known(_ status: Int) -> StaticString? {
        switch status {
        case 200: "HTTP/1.1 200 OK\r\n"
        case 201: "HTTP/1.1 201 Created\r\n"
        case 202: "HTTP/1.1 202 Accepted\r\n"
        case 204: "HTTP/1.1 204 No Content\r\n"
        case 206: "HTTP/1.1 206 Partial Content\r\n"
        case 301: "HTTP/1.1 301 Moved Permanently\r\n"
        case 302: "HTTP/1.1 302 Found\r\n"
        case 303: "HTTP/1.1 303 See Other\r\n"
        case 304: "HTTP/1.1 304 Not Modified\r\n"
        case 307: "HTTP/1.1 307 Temporary Redirect\r\n"
        case 308: "HTTP/1.1 308 Permanent Redirect\r\n"
        case 400: "HTTP/1.1 400 Bad Request\r\n"
        case 401: "HTTP/1.1 401 Unauthorized\r\n"
        case 403: "HTTP/1.1 403 Forbidden\r\n"
        case 404: "HTTP/1.1 404 Not Found\r\n"
        case 405: "HTTP/1.1 405 Method Not Allowed\r\n"
        case 406: "HTTP/1.1 406 Not Acceptable\r\n"
        case 408: "HTTP/1.1 408 Request Timeout\r\n"
        case 409: "HTTP/1.1 409 Conflict\r\n"
        case 410: "HTTP/1.1 410 Gone\r\n"
        case 411: "HTTP/1.1 411 Length Required\r\n"
        case 412: "HTTP/1.1 412 Precondition Failed\r\n"
        case 413: "HTTP/1.1 413 Content Too Large\r\n"
        case 414: "HTTP/1.1 414 URI Too Long\r\n"
        case 415: "HTTP/1.1 415 Unsupported Media Type\r\n"
        case 416: "HTTP/1.1 416 Range Not Satisfiable\r\n"
        case 417: "HTTP/1.1 417 Expectation Failed\r\n"
        case 421: "HTTP/1.1 421 Misdirected Request\r\n"
        case 422: "HTTP/1.1 422 Unprocessable Content\r\n"
        case 428: "HTTP/1.1 428 Precondition Required\r\n"
        case 429: "HTTP/1.1 429 Too Many Requests\r\n"
        case 431: "HTTP/1.1 431 Request Header Fields Too Large\r\n"
        case 500: "HTTP/1.1 500 Internal Server Error\r\n"
        case 501: "HTTP/1.1 501 Not Implemented\r\n"
        case 502: "HTTP/1.1 502 Bad Gateway\r\n"
        case 503: "HTTP/1.1 503 Service Unavailable\r\n"
        case 504: "HTTP/1.1 504 Gateway Timeout\r\n"
        case 505: "HTTP/1.1 505 HTTP Version Not Supported\r\n"
        default: nil
        }
    }
}
