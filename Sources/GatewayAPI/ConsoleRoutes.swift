import Engine
import HTTPCore
import Jobs
import Wire

extension Gateway {
    func addConsoleRoutes(to router: inout Router) {
        router.route(.get, "/v1/hosts/{id}/console", "getConsole") { [self] request, _ in try showConsole(request) }
        router.route(
            .post, "/v1/hosts/{id}/console", "commandHost", body: .upTo(4096, [MediaTypes.json, MediaTypes.text])
        ) { [self] in try await command($0, $1) }
    }

    /// PRIV-RJE and NETRJS have shorter lines still, which their stations know.
    private static let longestCommand = 240

    /// What was said since the gateway began; the last lines unless `after` says where to go on.
    private func showConsole(_ request: Request) throws -> Response {
        let caller = try caller(of: request, for: .hostsCommand)
        let query = try QueryReader(request, names: ["after", "limit"])
        let host = try host(request, caller)
        let after = try query.int("after", in: 0...Int.max) ?? 0
        let limit = try query.int("limit", in: 1...settings.mostPageItems) ?? settings.usualPageItems
        let type = try request.negotiate([MediaTypes.json, MediaTypes.text])
        let lines = host.console.lines(after: after, limit: limit)
        let fields: Fields = ["Cache-Control": "no-store", "Vary": "Accept"]
        guard type == MediaTypes.json else {
            let text = lines.map { "\($0.at.rfc3339)  \($0.kind == .command ? "> " : "  ")\($0.text)\n" }.joined()
            return .text(text, fields: fields)
        }
        var json = JSONWriter()
        json.beginObject()
        json.key("items")
        json.beginArray()
        for line in lines {
            json.beginObject()
            json.key("number")
            json.int(line.number)
            json.key("at")
            json.string(line.at.rfc3339)
            json.key("kind")
            json.string(line.kind.rawValue)
            json.key("text")
            json.string(line.text)
            if let actor = line.actor {
                json.key("actor")
                json.string(actor)
            }
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return .json(json.bytes, fields: fields)
    }

    /// Answers what the host's operator console answers.
    private func command(_ request: Request, _ body: RequestBody) async throws -> Response {
        let caller = try caller(of: request, for: .hostsCommand)
        _ = try QueryReader(request)
        let host = try host(request, caller)
        let command = try await commandText(request, body)
        let type = try request.negotiate([MediaTypes.json, MediaTypes.text])
        let answers = try await desk.operate(command, host, by: caller.principal)
        let fields: Fields = ["Cache-Control": "no-store", "Vary": "Accept"]
        guard type == MediaTypes.json else {
            return .text(answers.map { $0 + "\n" }.joined(), fields: fields)
        }
        var json = JSONWriter()
        json.beginObject()
        json.key("host")
        json.string(host.id.description)
        json.key("command")
        json.string(command)
        json.key("lines")
        json.beginArray()
        for line in answers { json.string(line) }
        json.endArray()
        json.endObject()
        return .json(json.bytes, fields: fields)
    }

    private func commandText(_ request: Request, _ body: RequestBody) async throws -> String {
        var given: String?
        if request.contentType == MediaTypes.text {
            given = String(validating: try await body.collect(upTo: 4096), as: UTF8.self)
            if given?.hasSuffix("\n") == true { given?.removeLast() }
        } else {
            for member in try await jsonMembers(request, body) {
                guard member.name == "command" else { throw Self.fault(member.name, "there is no such member.") }
                given = member.value.string
            }
        }
        guard let text = given, text.contains(where: { $0 != " " }), text.utf8.count <= Self.longestCommand,
            text.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else {
            throw Self.fault(
                "command", "it must be one line of 1 to \(Self.longestCommand) printable ASCII characters.")
        }
        return text
    }
}
