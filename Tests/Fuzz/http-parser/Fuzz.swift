import HTTPCore

// Claims: no octets trap the parser, and the events are the same for every cut. The first octet chooses the cut.

private struct Trace: Equatable {
    var heads: [RequestHead] = []
    var bodies: [[UInt8]] = []
    var ends = 0
    var fault: RequestFault?
}

private func trace(_ octets: ArraySlice<UInt8>, size: Int, limits: Limits) -> Trace {
    var trace = Trace()
    var parser = RequestParser(limits: limits)
    var rest = octets
    while !rest.isEmpty {
        let piece = Array(rest.prefix(size))
        rest = rest.dropFirst(size)
        var offset = 0
        do {
            while let event = try parser.next(piece.span, at: &offset) {
                switch event {
                case .head(let head):
                    trace.heads.append(head)
                    trace.bodies.append([])
                    touch(head)
                case .body(let range): trace.bodies[trace.bodies.count - 1] += piece[range]
                case .end: trace.ends += 1
                }
            }
        } catch {
            trace.fault = error
            return trace
        }
        precondition(offset == piece.count, "the parser left octets without asking for more")
    }
    return trace
}

/// Everything that reads what a client sent.
private func touch(_ head: RequestHead) {
    _ = head.fields.count
    _ = head.authority
    _ = head.query.flatMap { Parameters(query: $0) }?.repeatedNames
    _ = Accept(head["accept"]).preferred(["application/json", "text/plain"])
    _ = Preferences(head["prefer"]).wait
    _ = Conditions.evaluate(head, tag: EntityTag("a"), lastModified: 5)
    _ = ByteRange(head, length: 100, tag: EntityTag("a"))
    _ = MediaType.parameter("boundary", of: head["content-type"] ?? "")
}

private struct FormTrace: Equatable {
    var parts: [MultipartParser.Part] = []
    var data: [[UInt8]] = []
    var ends = 0
    var fault: FormError?
}

private func formTrace(_ octets: ArraySlice<UInt8>, size: Int) -> FormTrace {
    var trace = FormTrace()
    do throws(FormError) {
        var parser = try MultipartParser(contentType: "multipart/form-data; boundary=XX")
        var rest = octets
        while !rest.isEmpty {
            parser.append(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
            while let event = try parser.next() {
                switch event {
                case .part(let part):
                    trace.parts.append(part)
                    trace.data.append([])
                case .data(let data): trace.data[trace.data.count - 1] += data
                case .partEnd, .end: trace.ends += 1
                }
            }
        }
        try parser.finish()
    } catch {
        trace.fault = error
    }
    return trace
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let octets = Array(UnsafeBufferPointer(start: start, count: count))
    let input = octets.dropFirst()
    var limits = Limits()
    limits.requestLineBytes = 200
    limits.fieldBytes = 300
    limits.headBytes = 600
    limits.fields = 12
    limits.bodyBytes = 1000
    let size = Int(octets[0]) + 1
    let whole = trace(input, size: input.count, limits: limits)
    precondition(trace(input, size: size, limits: limits) == whole, "another meaning when cut in pieces of \(size)")
    precondition(trace(input, size: 1, limits: limits) == whole, "another meaning octet by octet")
    let form = formTrace(input, size: input.count)
    precondition(formTrace(input, size: size) == form, "another form when cut in pieces of \(size)")
    return 0
}
