import HTTPCore
import Lines
import Testing

/// A server on loopback with its own loop, and clients that send raw octets.
final class TestServer: Sendable {
    let server: Server
    let address: SocketAddress
    let loops: EventLoopGroup
    private let clientLoop: EventLoop

    private init(server: Server, address: SocketAddress, loops: EventLoopGroup, clientLoop: EventLoop) {
        self.server = server
        self.address = address
        self.loops = loops
        self.clientLoop = clientLoop
    }

    static func with<Result: Sendable>(
        loops count: Int = 1, _ change: (inout Server.Options) -> Void = { _ in },
        routes: (inout Router) -> Void = TestServer.echoRoutes, _ body: (TestServer) async throws -> Result
    ) async throws -> Result {
        var options = Server.Options()
        change(&options)
        var router = Router()
        routes(&router)
        let loops = try EventLoopGroup(count: count)
        loops.start()
        let clientLoop = try EventLoop(name: "client")
        clientLoop.start()
        let server = Server(router: router, loops: loops.loops, options: options)
        let address = try server.listen(on: SocketAddress(.loopback, port: 0))
        let test = TestServer(server: server, address: address, loops: loops, clientLoop: clientLoop)
        let result: Result
        do {
            result = try await body(test)
        } catch {
            await test.end()
            throw error
        }
        await test.end()
        return result
    }

    private func end() async {
        await server.stop(grace: .zero)
        await loops.stopAndWait()
        await clientLoop.stopAndWait()
    }

    /// What the rows of `RequestRow` are written for.
    static func echoRoutes(_ router: inout Router) {
        router.immediate(.get, "/echo", name: "getEcho") { request in .text("\(request.query.items.count)") }
        router.on(.post, "/echo", name: "postEcho", body: .upTo(16 << 20)) { _, body in
            Response(contentType: "text/plain", body: .bytes(try await body.collect(upTo: 16 << 20)))
        }
        router.on(.post, "/typed", name: "typed", body: .upTo(100, ["application/json", "text/*"])) { request, body in
            guard request.contentType != "text/html" else { throw Problem(.unsupportedMediaType, "no HTML") }
            return .text("\(try await body.collect(upTo: 100).count)")
        }
    }

    func connect() async throws -> Client {
        Client(line: try await TCPLine.connect(to: address, on: clientLoop))
    }

    /// One connection for one exchange that ends it.
    func exchange(_ octets: [UInt8]) async throws -> [UInt8] {
        let client = try await connect()
        try await client.send(octets)
        return try await client.rest()
    }

    func exchange(_ text: String) async throws -> String {
        String(decoding: try await exchange(Array(text.utf8)), as: UTF8.self)
    }
}

struct Answer: Sendable, CustomStringConvertible {
    var status = 0
    var fields: [(name: String, value: String)] = []
    var body: [UInt8] = []

    subscript(_ name: String) -> String? { fields.first { $0.name.lowercased() == name.lowercased() }?.value }
    var text: String { String(decoding: body, as: UTF8.self) }
    var description: String { "\(status) \(fields) \(text.prefix(300))" }
}

struct ClientFailure: Error, CustomStringConvertible {
    let description: String
}

/// A raw client that reads answers strictly.
final class Client {
    let line: TCPLine
    private var buffer: [UInt8] = []
    private var hasEnded = false

    init(line: TCPLine) { self.line = line }

    deinit { line.close() }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ octets: [UInt8]) async throws {
        do { try await line.write(octets, within: .seconds(10)) } catch LineError.closed {} catch LineError.reset {}
    }

    private func more() async throws {
        guard !hasEnded else { throw ClientFailure(description: "the connection has ended after \(buffer.text)") }
        if let octets = try await line.read(within: .seconds(10)) {
            buffer += octets
        } else {
            hasEnded = true
        }
    }

    /// The next answer, 1xx included.
    func answer(toHead: Bool = false) async throws -> Answer {
        var answer = Answer()
        let lines = try await until("\r\n\r\n").split(separator: "\r\n", omittingEmptySubsequences: true)
        guard let first = lines.first, first.hasPrefix("HTTP/1.1 "), let status = Int(first.dropFirst(9).prefix(3))
        else {
            throw ClientFailure(description: "no status line: \(lines)")
        }
        answer.status = status
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw ClientFailure(description: "no field: \(line)") }
            answer.fields.append((String(parts[0]), String(parts[1].drop { $0 == " " })))
        }
        let lengths = answer.fields.filter { $0.name == "Content-Length" },
            codings = answer.fields.filter {
                $0.name == "Transfer-Encoding"
            }
        guard lengths.count + codings.count <= 1 else { throw ClientFailure(description: "framing: \(answer)") }
        if status < 200 || status == 204 || status == 304 || toHead { return answer }
        if let length = lengths.first.flatMap({ Int($0.value) }) {
            while buffer.count < length { try await more() }
            answer.body = Array(buffer[..<length])
            buffer.removeFirst(length)
        } else if !codings.isEmpty {
            while true {
                guard let size = Int(try await until("\r\n"), radix: 16) else {
                    throw ClientFailure(description: "chunk size")
                }
                while buffer.count < size + 2 { try await more() }
                answer.body += buffer[..<size]
                guard buffer[size] == 13, buffer[size + 1] == 10 else { throw ClientFailure(description: "chunk end") }
                buffer.removeFirst(size + 2)
                if size == 0 { break }
            }
        } else {
            answer.body = try await rest()
        }
        return answer
    }

    /// Text up to the mark, which is taken as well.
    func until(_ mark: String) async throws -> String {
        let mark = Array(mark.utf8)
        while true {
            if let at = buffer.indices.first(where: { buffer[$0...].starts(with: mark) }) {
                defer { buffer.removeFirst(at + mark.count) }
                return buffer[..<at].text
            }
            try await more()
        }
    }

    /// All that comes until the server ends the connection.
    func rest() async throws -> [UInt8] {
        do {
            while !hasEnded { try await more() }
        } catch LineError.reset {}
        defer { buffer = [] }
        return buffer
    }

    /// Waits for the end and gives what came before it.
    func restText() async throws -> String { try await rest().text }
}

/// A signal one side gives and the other awaits.
final class Signal: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }
    func give() { continuation.yield() }
    func wait() async {
        for await _ in stream { return }
    }
}
