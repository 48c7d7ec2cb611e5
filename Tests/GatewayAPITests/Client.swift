import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Lines
import Stores
import Synchronization
import TestKit
import Testing
import Wire

/// One answer as a client saw it.
struct Answer: Sendable {
    var status: Int
    var fields: [(name: String, value: String)]
    var body: [UInt8]

    subscript(_ name: String) -> String? {
        fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    var text: String { String(decoding: body, as: UTF8.self) }
    var mediaType: String? { self["content-type"].map { MediaType.essence($0) } }
    var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
    /// `type` of a problem without `/problems/`.
    var problem: String? { json["type"]?.string.map { String($0.dropFirst("/problems/".count)) } }
    var id: JobID? { json["id"]?.string.flatMap { JobID($0) } }
}

/// What the tests of this process have seen answered, for the comparison with the description.
struct Seen: Hashable, Sendable {
    let template: String
    let method: String
    let status: Int
    let mediaType: String?

    static let all = Mutex<Set<Seen>>([])
}

/// Reads one answer, or the pieces of a stream, from a connection of its own.
final class Exchange: Sendable {
    private let line: TCPLine
    private let buffer = Mutex<[UInt8]>([])

    init(_ rig: Rig) async throws { line = try await TCPLine.connect(to: rig.address, on: TestLoops.one) }

    func send(_ bytes: [UInt8]) async throws { try await line.write(bytes, within: .seconds(120)) }

    func close() { line.close() }

    /// Octets up to a mark, the mark included; what there is, when the other side ends.
    func read(upTo mark: String) async throws -> [UInt8] {
        let mark = Array(mark.utf8)
        while true {
            let found: [UInt8]? = buffer.withLock { buffer in
                guard let at = Self.find(mark, in: buffer) else { return nil }
                let taken = Array(buffer[..<(at + mark.count)])
                buffer.removeFirst(at + mark.count)
                return taken
            }
            if let found { return found }
            guard let piece = try await line.read(within: .seconds(120)) else { return take(.max) }
            buffer.withLock { $0 += piece }
        }
    }

    func read(count: Int) async throws -> [UInt8] {
        while buffer.withLock({ $0.count }) < count {
            guard let piece = try await line.read(within: .seconds(120)) else { break }
            buffer.withLock { $0 += piece }
        }
        return take(count)
    }

    private func take(_ count: Int) -> [UInt8] {
        buffer.withLock { buffer in
            let taken = Array(buffer.prefix(count))
            buffer.removeFirst(taken.count)
            return taken
        }
    }

    private static func find(_ mark: [UInt8], in octets: [UInt8]) -> Int? {
        guard octets.count >= mark.count else { return nil }
        return (0...(octets.count - mark.count)).first { octets[$0..<($0 + mark.count)].elementsEqual(mark) }
    }

    func head() async throws -> Answer {
        let text = String(decoding: try await read(upTo: "\r\n\r\n"), as: UTF8.self)
        let lines = text.components(separatedBy: "\r\n").filter { !$0.isEmpty }
        let status = lines.first.flatMap { $0.split(separator: " ").dropFirst().first }.flatMap { Int($0) } ?? 0
        if status == 100 { return try await head() }
        let fields = lines.dropFirst().map { line in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return (
                name: String(parts[0]),
                value: parts.dropFirst().first.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
            )
        }
        return Answer(status: status, fields: fields, body: [])
    }

    /// One chunk; nil at the last.
    func chunk() async throws -> [UInt8]? {
        let size = String(decoding: try await read(upTo: "\r\n").dropLast(2), as: UTF8.self)
        guard let count = Int(size, radix: 16), count > 0 else { return nil }
        let chunk = try await read(count: count)
        _ = try await read(count: 2)
        return chunk
    }

    func answer(to method: String) async throws -> Answer {
        var answer = try await head()
        if method == "HEAD" || answer.status == 204 || answer.status == 304 { return answer }
        if answer["transfer-encoding"] == "chunked" {
            while let chunk = try await chunk() { answer.body += chunk }
        } else {
            answer.body = try await read(count: answer["content-length"].flatMap { Int($0) } ?? 0)
        }
        return answer
    }
}

extension Rig {
    static func requestHead(
        _ method: String, _ target: String, _ fields: [(String, String)], length: Int?
    ) -> [UInt8] {
        var head = "\(method) \(target) HTTP/1.1\r\n"
        if !fields.contains(where: { $0.0 == "Host" }) { head += "Host: localhost\r\n" }
        for (name, value) in fields { head += "\(name): \(value)\r\n" }
        if let length { head += "Content-Length: \(length)\r\n" }
        return Array((head + "\r\n").utf8)
    }

    func call(
        _ method: String, _ target: String, _ fields: [(String, String)] = [], body: [UInt8]? = nil
    ) async throws -> Answer {
        let exchange = try await Exchange(self)
        defer { exchange.close() }
        try await exchange.send(Self.requestHead(method, target, fields, length: body?.count) + (body ?? []))
        let answer = try await exchange.answer(to: method)
        note(method, target, answer)
        return answer
    }

    func get(_ target: String, _ fields: (String, String)...) async throws -> Answer {
        try await call("GET", target, fields)
    }

    func post(_ target: String, _ body: String = Decks.hello, _ fields: (String, String)...) async throws -> Answer {
        try await call("POST", target, fields, body: Array(body.utf8))
    }

    /// Begins a request whose answer is read piece by piece.
    func open(_ target: String, _ fields: (String, String)...) async throws -> (Exchange, Answer) {
        let exchange = try await Exchange(self)
        try await exchange.send(Self.requestHead("GET", target, fields, length: nil))
        let head = try await exchange.head()
        note("GET", target, head)
        return (exchange, head)
    }

    func note(_ method: String, _ target: String, _ answer: Answer) {
        let path = Array(target.split(separator: "?", maxSplits: 1)[0].utf8)
        guard let known = Method.allCases.first(where: { $0.description == method }),
            case .route(let route, _) = router.match(known, path: path[...])
        else { return }
        // HEAD is answered by the route of GET.
        let seen = Seen(
            template: route.template, method: route.method.description, status: answer.status,
            mediaType: answer.mediaType)
        _ = Seen.all.withLock { $0.insert(seen) }
    }

    /// Runs curl as a user would; the answer with its head is parsed from its output.
    func curl(_ arguments: String..., input: String = "") async throws -> Answer {
        let result = try await Child.run(
            "curl", ["-s", "-i", "--max-time", "20"] + arguments, input: Array(input.utf8))
        let bytes = result.output
        let answer = Self.parse(bytes)
        if let url = arguments.first(where: { $0.hasPrefix(base) }) {
            note(Self.method(of: arguments), String(url.dropFirst(base.count)), answer)
        }
        return answer
    }

    private static func method(of arguments: [String]) -> String {
        if let at = arguments.firstIndex(of: "-X"), arguments.count > at + 1 { return arguments[at + 1] }
        if arguments.contains("-T") { return "PUT" }
        return arguments.contains { ["-d", "--data-binary", "-F"].contains($0) } ? "POST" : "GET"
    }

    private static func parse(_ bytes: [UInt8]) -> Answer {
        var rest = String(decoding: bytes, as: UTF8.self)
        while rest.hasPrefix("HTTP/1.1 100") || rest.hasPrefix("HTTP/1.1 1") {
            guard let end = rest.range(of: "\r\n\r\n") else { break }
            rest = String(rest[end.upperBound...])
        }
        guard let end = rest.range(of: "\r\n\r\n") else { return Answer(status: 0, fields: [], body: bytes) }
        let lines = rest[..<end.lowerBound].components(separatedBy: "\r\n")
        let fields = lines.dropFirst().map { line in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return (
                name: String(parts[0]),
                value: parts.dropFirst().first.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
            )
        }
        let status = lines.first.flatMap { $0.split(separator: " ").dropFirst().first }.flatMap { Int($0) } ?? 0
        return Answer(status: status, fields: fields, body: Array(rest[end.upperBound...].utf8))
    }
}
