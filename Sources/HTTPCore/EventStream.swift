/// Writes server-sent events (HTML standard, "event stream interpretation").
package struct EventStream: Sendable {
    package static let contentType = "text/event-stream"
    /// What an answer with events carries beside its type.
    package static let fields: Fields = ["Cache-Control": "no-store", "X-Accel-Buffering": "no"]

    private let writer: BodyWriter

    package init(_ writer: BodyWriter) { self.writer = writer }

    /// - Parameters: an `id` with NUL or a line end, and an `event` with a line end, are left out: they would be
    ///   another field to the reader.
    package func send(event: String? = nil, id: String? = nil, data: String) async throws {
        try await writer.write(Self.frame(event: event, id: id, data: data))
    }

    /// A line that readers skip; keeps proxies and dead peers from going unseen.
    package func comment(_ text: String = "") async throws {
        try await writer.write(Array(": ".utf8) + Self.oneLine(text) + [0x0A, 0x0A])
    }

    /// How long a client waits before it connects again.
    package func retry(after milliseconds: Int) async throws {
        try await writer.write("retry: \(max(0, milliseconds))\n\n")
    }

    package static func frame(event: String? = nil, id: String? = nil, data: String) -> [UInt8] {
        var frame: [UInt8] = []
        frame.reserveCapacity(data.utf8.count + 64)
        func isOneLine(_ text: String) -> Bool { !text.utf8.contains { $0 == 0 || $0 == 0x0A || $0 == 0x0D } }
        if let event, isOneLine(event) { frame += Array("event: \(event)\n".utf8) }
        if let id, isOneLine(id) { frame += Array("id: \(id)\n".utf8) }
        // CR LF, CR and LF all end a line to the reader.
        var last: UInt8 = 0
        frame += "data: ".utf8
        for octet in data.utf8 {
            if octet == 0x0D || octet == 0x0A {
                if !(octet == 0x0A && last == 0x0D) { frame += "\ndata: ".utf8 }
            } else {
                frame.append(octet)
            }
            last = octet
        }
        return frame + [0x0A, 0x0A]
    }

    /// The same for data that is known to be one line, as JSON is: copied, not read.
    package static func frame(event: String, id: String, line: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = []
        frame.reserveCapacity(line.count + event.utf8.count + id.utf8.count + 24)
        frame.append("event: ")
        frame += event.utf8
        frame.append("\nid: ")
        frame += id.utf8
        frame.append("\ndata: ")
        frame += line
        frame.append("\n\n")
        return frame
    }

    private static func oneLine(_ text: String) -> [UInt8] {
        text.utf8.map { $0 == 0x0A || $0 == 0x0D || $0 == 0 ? 0x20 : $0 }
    }
}
