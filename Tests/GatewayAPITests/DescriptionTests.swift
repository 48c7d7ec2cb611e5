import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Synchronization
import Testing
import Wire
import Yams

/// `openapi/port77.yaml` against the router, both ways, and against what was really answered.
struct DescriptionTests {
    private let document: JSONValue

    init() throws {
        let text = try String(contentsOfFile: Rig.root + "/openapi/port77.yaml", encoding: .utf8)
        document = Self.value(try #require(try Yams.compose(yaml: text)))
    }

    private static func value(_ node: Node) -> JSONValue {
        switch node {
        case .mapping(let mapping):
            return .object(mapping.map { .init(name: $0.key.scalar?.string ?? "", value: value($0.value)) })
        case .sequence(let sequence): return .array(sequence.map(value))
        case .scalar(let scalar):
            if let int = node.int, node.tag.description == Tag.Name.int.rawValue { return .int(Int64(int)) }
            if let bool = node.bool, node.tag.description == Tag.Name.bool.rawValue { return .bool(bool) }
            return .string(scalar.string)
        case .alias: return .null
        }
    }

    /// Follows `$ref` inside the document.
    private func resolved(_ value: JSONValue) -> JSONValue {
        guard let reference = value["$ref"]?.string else { return value }
        var found = document
        for name in reference.dropFirst(2).split(separator: "/") { found = found[String(name)] ?? .null }
        return resolved(found)
    }

    private struct Operation {
        let path: String
        let method: String
        let value: JSONValue
    }

    private var operations: [Operation] {
        (document["paths"]?.members ?? []).flatMap { path in
            (path.value.members ?? []).map { Operation(path: path.name, method: $0.name.uppercased(), value: $0.value) }
        }
    }

    @Test func `every route is described, and nothing else is`() throws {
        let rig = try Rig()
        let routed = Set(rig.router.routes.map { "\($0.method) \($0.template) \($0.name)" })
        let described = Set(operations.map { "\($0.method) \($0.path) \($0.value["operationId"]?.string ?? "-")" })
        #expect(routed.subtracting(described) == [], "routes that are not described")
        #expect(described.subtracting(routed) == [], "described, but not routed")
        #expect(Set(operations.map { $0.value["operationId"]?.string }).count == operations.count)
    }

    @Test func `path parameters are described with bounds, and references lead somewhere`() throws {
        for operation in operations {
            let parameters = (operation.value["parameters"]?.elements ?? []).map(resolved)
            let inPath = Set(parameters.filter { $0["in"]?.string == "path" }.compactMap { $0["name"]?.string })
            let wanted = Set(operation.path.matches(of: /\{([a-z]+)\}/).map { String($0.output.1) })
            #expect(inPath == wanted, "\(operation.path)")
            for parameter in parameters {
                #expect(parameter["schema"] != nil, "\(operation.method) \(operation.path) \(parameter)")
            }
        }
        func walk(_ value: JSONValue) {
            if value["$ref"] != nil { #expect(resolved(value) != .null, "\(value)") }
            for member in value.members ?? [] { walk(member.value) }
            for element in value.elements ?? [] { walk(element) }
        }
        walk(document)
    }

    @Test func `every error is a problem`() throws {
        for operation in operations {
            for response in operation.value["responses"]?.members ?? [] where response.name >= "400" {
                if ["/readyz", "/livez"].contains(operation.path), response.name == "503" { continue }
                let content = resolved(response.value)["content"]
                let schema = content?["application/problem+json"]?["schema"]?["$ref"]?.string
                #expect(schema == "#/components/schemas/Problem", "\(operation.path) \(response.name)")
            }
        }
    }

    @Test func `parameters that are taken are those described`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        for operation in operations where operation.path != "/" && operation.path != "/assets/{file}" {
            let path = operation.path.replacing("{id}", with: operation.path.contains("hosts") ? "demo" : "\(job.id)")
                .replacing("{number}", with: "1").replacing("{slug}", with: "not-found")
                .replacing("{file}", with: "cli")
            let answer = try await rig.call(operation.method, "\(path)?typo=1")
            let words = answer.json["detail"]?.string ?? ""
            let known = words.split(separator: "; ").last?.replacing("there are ", with: "").dropLast() ?? ""
            let taken = known.contains("none at all") ? [] : Set(known.split(separator: ", ").map(String.init))
            let parameters = (operation.value["parameters"]?.elements ?? []).map(resolved)
            let described = Set(parameters.filter { $0["in"]?.string == "query" }.compactMap { $0["name"]?.string })
            #expect(taken == described, "\(operation.method) \(operation.path)")
        }
    }

    /// Asks for much of what there is, so that the comparison does not depend on which tests ran before.
    private func exercise(_ rig: Rig) async throws {
        let job = try await rig.submit { $0.correlator = "c" }
        let held = try await rig.submit()
        _ = try await rig.get("/v1/jobs/\(job.id)/output")
        try await rig.run(job.id, files: [.log, .hello])
        let target = "/v1/jobs/\(job.id)"
        for path in ["", "/outputs", "/outputs/1", "/output", "/deck", "/events", "/deliveries", "/trace"] {
            for accept in ["*/*", "text/plain", "application/octet-stream", "application/x-ndjson", "image/png"] {
                _ = try await rig.get(target + path, ("Accept", accept))
            }
            let tag = try await rig.get(target + path)["etag"] ?? "\"\""
            _ = try await rig.get(target + path, ("If-None-Match", tag))
            _ = try await rig.get(target + path, ("Range", "bytes=0-2"))
            _ = try await rig.get(target + path, ("Range", "bytes=999999-"))
            _ = try await rig.get("/v1/jobs/nope\(path)")
        }
        for action in ["hold", "release", "cancel", "cancel"] {
            _ = try await rig.call("POST", "/v1/jobs/\(held.id)/\(action)")
            _ = try await rig.call("POST", "\(target)/\(action)")
            _ = try await rig.call("POST", "/v1/jobs/\(held.id)/\(action)", [("If-Match", "\"x\"")])
            _ = try await rig.call("POST", "/v1/jobs/nope/\(action)")
            _ = try await rig.call("POST", "/v1/jobs/nope/\(action)", body: [UInt8](repeating: 0x20, count: 70_000))
        }
        for path in [
            "/v1/jobs", "/v1/events", "/v1/hosts", "/v1/hosts/demo", "/v1/hosts/no", "/v1/audit", "/v1/keys",
            "/v1/keys/Yd7aQ0bX",
            "/v1/me", "/v1/usage", "/livez", "/readyz", "/metrics",
            "/", "/docs", "/docs/cli", "/docs/no", "/openapi.json", "/assets/app.js", "/assets/no",
            "/problems/internal", "/problems/no",
        ] {
            for accept in ["*/*", "text/plain", "text/html", "image/png"] {
                _ = try await rig.get(path, ("Accept", accept))
            }
        }
        for (method, path) in [("POST", "/v1/jobs"), ("PUT", "/v1/jobs"), ("PUT", "/v1/jobs/key")] {
            for body in [Decks.hello, Decks.broken, "", String(repeating: " ", count: 5_000_000)] {
                for type in [
                    "text/plain", "application/json", "multipart/form-data; boundary=x", "text/plain; charset=x",
                ] {
                    // What is far too long is answered early, and the connection then breaks under what is still sent.
                    _ = try? await rig.call(method, path, [("Content-Type", type)], body: Array(body.utf8))
                }
            }
            _ = try await rig.call(method, path, [("Accept", "text/plain")], body: Array(Decks.hello.utf8))
        }
        try await exerciseWebhooks(rig)
        _ = try await rig.call("POST", "/v1/hosts/demo/retry")
        _ = try await rig.call("POST", "/v1/hosts/no/retry")
    }

    private func exerciseWebhooks(_ rig: Rig) async throws {
        let made = try await rig.post(
            "/v1/webhooks", #"{"url":"https://a.example/"}"#, ("Content-Type", "application/json"))
        let job = try await rig.submit()
        try await rig.run(job.id)
        let id = made.json["id"]?.string ?? ""
        let listed = try await rig.get("/v1/webhooks/\(id)/deliveries?limit=1")
        let delivery = listed.json["items"]?.elements?.first?["id"]?.string ?? "1"
        for target in ["/v1/webhooks/\(id)", "/v1/webhooks/nope"] {
            for (method, path) in [
                ("GET", ""), ("PATCH", ""), ("POST", "/rotate"), ("POST", "/test"), ("GET", "/deliveries"),
                ("POST", "/recover"), ("DELETE", ""),
            ] {
                for body in [#"{"since":"2026-01-01T00:00:00Z"}"#, "{}", "{", String(repeating: " ", count: 70_000)] {
                    for fields in [
                        [("Content-Type", "application/json"), ("If-Match", "\"x\"")], [], [("Content-Type", "text/x")],
                    ] {
                        let octets = method == "GET" ? nil : Array(body.utf8)
                        _ = try? await rig.call(method, target + path, fields, body: octets)
                    }
                }
            }
        }
        for path in ["/v1/deliveries/\(delivery)", "/v1/deliveries/0"] {
            _ = try await rig.get(path)
            _ = try await rig.call("POST", path + "/redeliver")
        }
        _ = try await rig.get("/v1/webhook-keys")
        _ = try await rig.get("/v1/jobs/\(job.id)/receipt")
    }

    @Test func `every answer that was seen is described with status and media type`() async throws {
        let rig = try Rig()
        try await exercise(rig)
        await rig.store.close()
        try await exercise0(rig)
        var byRoute: [String: JSONValue] = [:]
        for operation in operations { byRoute["\(operation.method) \(operation.path)"] = operation.value }
        let seen = Seen.all.withLock { $0 }
        #expect(seen.count > 100)
        for answer in seen {
            guard let operation = byRoute["\(answer.method) \(answer.template)"] else { continue }
            guard let response = operation["responses"]?["\(answer.status)"].map(resolved) else {
                Issue.record("\(answer.method) \(answer.template) answered \(answer.status), which is not described")
                continue
            }
            guard let type = answer.mediaType else { continue }
            let types = response["content"]?.members?.map(\.name) ?? []
            let isDescribed = types.contains(type) || types.contains("*/*")
            #expect(isDescribed, "\(answer.method) \(answer.template) \(answer.status) as \(type); described: \(types)")
        }
    }

    /// What a gateway without its store answers.
    private func exercise0(_ rig: Rig) async throws {
        for route in rig.router.routes {
            let path = route.template.replacing(
                "{id}", with: route.template.contains("hosts") ? "demo" : "01KAQ3W8Z5T0C7Q1M9E4R2V6XB"
            )
            .replacing("{number}", with: "1").replacing("{slug}", with: "not-found").replacing("{file}", with: "app.js")
            _ = try await rig.call(
                route.method.description, path, body: route.method == .get ? nil : Array(Decks.hello.utf8))
        }
    }

    @Test func `examples in the description are taken`() async throws {
        let rig = try Rig()
        let content = operations.first { $0.value["operationId"]?.string == "submitJob" }?.value["requestBody"]?[
            "content"]
        let text = try #require(content?["text/plain"]?["example"]?.string)
        #expect(try await rig.post("/v1/jobs", text, ("Content-Type", "text/plain")).status == 201)
        let json = try #require(content?["application/json"]?["example"])
        var writer = JSONWriter()
        Self.write(json, to: &writer)
        let body = String(decoding: writer.bytes, as: UTF8.self)
        #expect(try await rig.post("/v1/jobs", body, ("Content-Type", "application/json")).status == 201)
    }

    private static func write(_ value: JSONValue, to json: inout JSONWriter) {
        switch value {
        case .null: json.null()
        case .bool(let value): json.bool(value)
        case .int(let value): json.int(value)
        case .double(let value): json.double(value)
        case .string(let value): json.string(value)
        case .array(let elements):
            json.beginArray()
            for element in elements { write(element, to: &json) }
            json.endArray()
        case .object(let members):
            json.beginObject()
            for member in members {
                json.key(member.name)
                write(member.value, to: &json)
            }
            json.endObject()
        }
    }
}
