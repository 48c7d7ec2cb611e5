/// Collects what a receiver answers, within limits. Fed by libcurl line by line, then piece by piece.
struct AnswerReader {
    private(set) var status: Int?
    /// The blank line after the final head has come.
    private(set) var isHeadComplete = false
    private(set) var retryAfter: String?
    private(set) var location: String?
    private(set) var allowedOrigin: String?
    private(set) var allowedRate: String?
    private(set) var kept: [UInt8] = []
    private static let wanted: Set<String> = [
        "location", "retry-after", "webhook-allowed-origin", "webhook-allowed-rate",
    ]
    private var lines = 0
    private var headOctets = 0
    /// Of the body so far, kept or not.
    private(set) var bodyOctets = 0

    /// One header line with its line end.
    /// - Returns: false when the answer is to be given up.
    mutating func header(_ line: UnsafeRawBufferPointer) -> Bool {
        lines += 1
        headOctets += line.count
        guard lines <= SenderSettings.mostHeaderLines, headOctets <= SenderSettings.longestHeader else { return false }
        // Trailers behind the body change nothing.
        guard !isHeadComplete else { return true }
        var text = line[...]
        while let last = text.last, last == 0x0A || last == 0x0D { text.removeLast() }
        if text.isEmpty {
            isHeadComplete = (status ?? 0) >= 200
        } else if text.starts(with: "HTTP/".utf8) {
            let parts = text.split(separator: 0x20, maxSplits: 2)
            status = parts.count > 1 && parts[1].count == 3 ? Int(String(decoding: parts[1], as: UTF8.self)) : nil
            retryAfter = nil
            location = nil
            allowedOrigin = nil
            allowedRate = nil
        } else if let colon = text.firstIndex(of: 0x3A) {
            let name = String(decoding: text[..<colon].prefix(32), as: UTF8.self).lowercased()
            guard Self.wanted.contains(name) else { return true }
            var value = text[(colon + 1)...].prefix(WebhookURL.longest)
            while value.first == 0x20 || value.first == 0x09 { value.removeFirst() }
            while value.last == 0x20 || value.last == 0x09 { value.removeLast() }
            let words = String(decoding: value, as: UTF8.self)
            switch name {
            case "location": location = words
            case "retry-after": retryAfter = words
            case "webhook-allowed-origin": allowedOrigin = words
            default: allowedRate = words
            }
        }
        return true
    }

    /// - Returns: false when the answer is to be given up.
    mutating func body(_ piece: UnsafeRawBufferPointer) -> Bool {
        bodyOctets += piece.count
        let room = SenderSettings.keptOctets - kept.count
        if room > 0 { kept.append(contentsOf: piece.prefix(room)) }
        return bodyOctets <= SenderSettings.longestBody
    }
}
