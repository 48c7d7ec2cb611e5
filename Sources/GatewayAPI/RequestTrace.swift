import HTTPCore
package import Jobs

extension AnsweredRequest {
    /// The trace that the client named; nil when it named none, or not in the right form.
    package var trace: TraceContext? { head.flatMap { TraceContext(of: $0) } }
}

extension Request {
    /// For what this request brings: in the client's trace, or in one that begins here.
    var origin: Origin { Origin(requestID: id, trace: (TraceContext(of: head) ?? .begun()).next()) }
}

extension TraceContext {
    fileprivate init?(of head: RequestHead) {
        // Two fields of that name, joined by a comma, are no valid one.
        guard let parent = head["traceparent"] else { return nil }
        self.init(parent: parent, state: head["tracestate"])
    }
}
