/// Server-sent events out of the pieces in which they come.
struct EventLines {
    struct Event: Equatable {
        /// `message` when the stream gives none.
        var name = "message"
        var id: String?
        var data: [UInt8] = []
    }

    private var line: [UInt8] = []
    private var event = Event()
    private var hasData = false

    /// - Returns: the events that are complete now.
    mutating func take(_ piece: [UInt8]) -> [Event] {
        var events: [Event] = []
        for octet in piece {
            guard octet == 0x0A else {
                line.append(octet)
                continue
            }
            if line.last == 0x0D { line.removeLast() }
            if let event = endLine() { events.append(event) }
            line.removeAll(keepingCapacity: true)
        }
        return events
    }

    private mutating func endLine() -> Event? {
        if line.isEmpty {
            defer { (event, hasData) = (Event(), false) }
            return hasData ? event : nil
        }
        // A line that begins with a colon is there to keep the connection.
        guard let colon = line.firstIndex(of: 0x3A), colon > 0 else { return nil }
        let name = line[..<colon]
        var value = line[line.index(after: colon)...]
        if value.first == 0x20 { value = value.dropFirst() }
        if name.elementsEqual("event".utf8) {
            event.name = String(decoding: value, as: UTF8.self)
        } else if name.elementsEqual("id".utf8) {
            event.id = String(decoding: value, as: UTF8.self)
        } else if name.elementsEqual("data".utf8) {
            if hasData { event.data.append(0x0A) }
            event.data += value
            hasData = true
        }
        return nil
    }
}
