/// What a route does with a request.
package enum Handler: Sendable {
    /// Answered in the same pass of the loop, without a task. Must not block.
    case immediate(@Sendable (Request) throws -> Response)
    /// Runs as a task with the loop as its preferred executor: what does not wait is answered in the same pass. The
    /// task is cancelled when the client goes away; what it answers then is sent if anyone is still there.
    case task(@Sendable (Request, RequestBody) async throws -> Response)
    /// Decides by request.
    case deciding(@Sendable (Request) throws -> Answer)
}

package enum Answer: Sendable {
    case immediate(Response)
    case task(@Sendable (RequestBody) async throws -> Response)
}

/// What a route says about the bodies it takes; checked before the handler runs and before 100 Continue.
package struct BodyRule: Sendable, Equatable {
    /// Octets a body may have; `nil`: this route takes none, what comes is dropped up to `Limits.discardedBodyBytes`.
    package var limit: Int?
    /// Media types taken, in lower case without parameters, `type/*` possible; empty takes all. Checked only when there
    /// is a body. Beyond: 415 with `Accept-Post`.
    package var mediaTypes: [String]

    package static let none = BodyRule(limit: nil, mediaTypes: [])
    package static func upTo(_ limit: Int, _ mediaTypes: [String] = []) -> BodyRule {
        BodyRule(limit: limit, mediaTypes: mediaTypes)
    }
}

package struct Route: Sendable {
    package let method: Method
    /// As written: `/v1/jobs/{id}`.
    package let template: String
    /// The operation, for metrics and for the comparison with the OpenAPI document.
    package let name: String
    package let body: BodyRule
    package let handler: Handler
    /// In the order of the template.
    package let parameterNames: [String]
}

/// Routes by method and path template.
///
/// A template is literal segments, `{name}` for one whole segment, and as the last one perhaps `{name...}` for all that
/// is left. A literal goes before a parameter. Segments are decoded one by one, so an encoded slash stays inside one.
package struct Router: Sendable {
    package enum Match: Sendable {
        case route(Route, parameters: [String])
        case notFound
        /// The path exists, with these methods.
        case methodNotAllowed(allow: String)
        case options(allow: String)
        case methodUnknown
    }

    private struct Node: Sendable {
        var literals: [(segment: [UInt8], node: Int)] = []
        var parameter: Int?
        var rest: Int?
        /// Indices into `routes`.
        var routes: [Int] = []
    }

    package private(set) var routes: [Route] = []
    private var nodes = [Node()]

    package init() {}

    package mutating func add(
        _ method: Method, _ template: String, name: String, body: BodyRule = .none, _ handler: Handler
    ) {
        precondition(template.hasPrefix("/"), "a template begins with a slash: \(template)")
        var node = 0
        var names: [String] = []
        for segment in template.utf8.dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false) {
            let text = String(Substring(segment))
            if text.hasPrefix("{"), text.hasSuffix("...}") {
                names.append(String(text.dropFirst().dropLast(4)))
                node = child(of: node, \.rest)
            } else if text.hasPrefix("{"), text.hasSuffix("}") {
                names.append(String(text.dropFirst().dropLast()))
                node = child(of: node, \.parameter)
            } else if let known = nodes[node].literals.first(where: { $0.segment.elementsEqual(segment) }) {
                node = known.node
            } else {
                nodes.append(Node())
                nodes[node].literals.append((Array(segment), nodes.count - 1))
                node = nodes.count - 1
            }
        }
        precondition(
            !nodes[node].routes.contains { routes[$0].method == method }, "two routes for \(method) \(template)")
        nodes[node].routes.append(routes.count)
        routes.append(
            Route(
                method: method, template: template, name: name, body: body, handler: handler, parameterNames: names))
    }

    /// A route that answers without waiting.
    package mutating func immediate(
        _ method: Method, _ template: String, name: String, _ handler: @escaping @Sendable (Request) throws -> Response
    ) {
        add(method, template, name: name, .immediate(handler))
    }

    /// A route that may wait.
    package mutating func on(
        _ method: Method, _ template: String, name: String, body: BodyRule = .none,
        _ handler: @escaping @Sendable (Request, RequestBody) async throws -> Response
    ) {
        add(method, template, name: name, body: body, .task(handler))
    }

    /// The route for a request; HEAD falls back on GET.
    package func match(_ method: Method?, path: ArraySlice<UInt8>) -> Match {
        guard let method, method != .connect else { return .methodUnknown }
        if path.elementsEqual("*".utf8) { return .options(allow: allow(routes.map(\.method))) }
        var parameters: [String] = []
        let isEncoded = path.contains(UInt8(ascii: "%"))
        guard path.first == 0x2F, let node = find(path.dropFirst(), from: 0, isEncoded, &parameters) else {
            return method == .trace ? .methodNotAllowed(allow: allow(routes.map(\.method))) : .notFound
        }
        let candidates = nodes[node].routes
        for index in candidates where routes[index].method == method {
            return .route(routes[index], parameters: parameters)
        }
        if method == .head {
            for index in candidates where routes[index].method == .get {
                return .route(routes[index], parameters: parameters)
            }
        }
        let allow = allow(candidates.map { routes[$0].method })
        return method == .options ? .options(allow: allow) : .methodNotAllowed(allow: allow)
    }

    private func allow(_ methods: [Method]) -> String {
        var allowed = Set(methods)
        if allowed.contains(.get) { allowed.insert(.head) }
        allowed.insert(.options)
        return Method.allCases.filter(allowed.contains).map(\.description).joined(separator: ", ")
    }

    private mutating func child(of node: Int, _ kind: WritableKeyPath<Node, Int?>) -> Int {
        if let known = nodes[node][keyPath: kind] { return known }
        nodes.append(Node())
        nodes[node][keyPath: kind] = nodes.count - 1
        return nodes.count - 1
    }

    /// - Parameter path: what is left, without the slash before it.
    private func find(
        _ path: ArraySlice<UInt8>, from node: Int, _ isEncoded: Bool, _ parameters: inout [String]
    ) -> Int? {
        let end = path.firstIndex(of: 0x2F) ?? path.endIndex
        var segment = path[..<end]
        if isEncoded { segment = PercentCoding.decode(segment)?[...] ?? segment }
        func go(_ next: Int) -> Int? {
            guard end < path.endIndex else { return nodes[next].routes.isEmpty ? nil : next }
            return find(path[(end + 1)...], from: next, isEncoded, &parameters)
        }
        for (literal, next) in nodes[node].literals where segment.elementsEqual(literal) {
            if let found = go(next) { return found }
        }
        let count = parameters.count
        if let next = nodes[node].parameter, !segment.isEmpty {
            parameters.append(segment.text)
            if let found = go(next) { return found }
            parameters.removeSubrange(count...)
        }
        if let next = nodes[node].rest, let text = PercentCoding.text(path) {
            parameters.append(text)
            return next
        }
        return nil
    }
}
