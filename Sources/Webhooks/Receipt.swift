import Wire

/// A signed event as somebody kept it: header lines, an empty line, the body to the octet. That is a webhook as a receiver
/// wrote it down, and what `curl -i` makes of `/v1/jobs/{id}/receipt`.
package struct Receipt: Equatable, Sendable {
    package let id: String
    /// Unix seconds, decimal.
    package let timestamp: String
    package let signatures: String
    package let body: [UInt8]

    package enum Fault: Error, Equatable, CustomStringConvertible {
        case noEmptyLine
        case missing(String)
        case twice(String)
        case cutShort(octets: Int, announced: Int)

        package var description: String {
            switch self {
            case .noEmptyLine: "It has no empty line between headers and body."
            case .missing(let name): "It has no header \(name)."
            case .twice(let name): "It has the header \(name) more than once."
            case .cutShort(let octets, let announced):
                "Its body has \(octets) octets; its content-length says \(announced)."
            }
        }
    }

    /// - Parameter text: header lines end with LF or CR LF; a request or status line before them is passed over.
    package init(_ text: [UInt8]) throws(Fault) {
        guard let (head, body) = Self.split(text) else { throw .noEmptyLine }
        var fields: [String: String] = [:]
        for line in String(decoding: head, as: UTF8.self).split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":"), !line[..<colon].contains(" ") else { continue }
            let name = line[..<colon].lowercased()
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            guard fields.updateValue(String(value), forKey: name) == nil || !Self.needed.contains(name) else {
                throw .twice(name)
            }
        }
        for name in Self.needed where fields[name] == nil { throw .missing(name) }
        id = fields["webhook-id"] ?? ""
        timestamp = fields["webhook-timestamp"] ?? ""
        signatures = fields["webhook-signature"] ?? ""
        guard let announced = fields["content-length"].flatMap({ Int($0) }), announced >= 0 else {
            self.body = Array(body)
            return
        }
        guard body.count >= announced else { throw .cutShort(octets: body.count, announced: announced) }
        self.body = Array(body.prefix(announced))
    }

    private static let needed: Set<String> = ["webhook-id", "webhook-timestamp", "webhook-signature"]

    private static func split(_ text: [UInt8]) -> (ArraySlice<UInt8>, ArraySlice<UInt8>)? {
        var at = text.startIndex
        while let end = text[at...].firstIndex(of: 0x0A) {
            let isEmpty = end == at || (end == at + 1 && text[at] == 0x0D)
            if isEmpty, at > text.startIndex { return (text[..<at], text[(end + 1)...]) }
            at = end + 1
        }
        return nil
    }

    /// - Parameter keys: `whsec_` secrets and `whpk_` public keys.
    /// - Returns: the key whose signature holds, and the body that was signed; nil when none does. When it was signed is not
    ///   judged: a receipt is read years later.
    package func verified(by keys: [String]) throws(SecretError) -> (key: String, body: [UInt8])? {
        guard let signedAt = Int64(timestamp) else { return nil }
        for body in [body, withoutLastLineEnd] {
            guard let body else { continue }
            for key in keys {
                let verifier = try SignatureVerifier([key])
                do {
                    try verifier.verify(
                        id: id, timestamp: timestamp, signatures: signatures, body: body, now: signedAt)
                    return (key, body)
                } catch { continue }
            }
        }
        return nil
    }

    /// Editors and `echo` add one.
    private var withoutLastLineEnd: [UInt8]? {
        guard body.last == 0x0A else { return nil }
        let rest = body.dropLast()
        return Array(rest.last == 0x0D ? rest.dropLast() : rest)
    }
}

/// What a genuine receipt says.
package struct ReceiptContent: Equatable, Sendable {
    package let type: String
    package let job: String?
    package let state: String?
    package let outcome: String?
    /// Hexadecimal SHA-256.
    package let deckHash: String?
    /// By number, in the order of the job.
    package let outputHashes: [Int: String]

    /// - Parameter body: of any mode; a structured CloudEvent holds the event as its data, a batch is a list of them.
    /// - Returns: none when one of them is no event of ours.
    package static func all(in body: [UInt8]) -> [ReceiptContent] {
        guard let document = try? JSONValue(parsing: body) else { return [] }
        let documents = document.elements ?? [document]
        let contents = documents.compactMap { ReceiptContent($0) }
        return contents.count == documents.count ? contents : []
    }

    private init?(_ document: JSONValue) {
        let event = document["specversion"] == nil ? document : document["data"] ?? .null
        guard let type = event["type"]?.string, let data = event["data"] else { return nil }
        self.type = type
        job = data["id"]?.string
        state = data["state"]?.string
        outcome = data["outcome"]?["text"]?.string
        deckHash = data["deck_sha256"]?.string
        var hashes: [Int: String] = [:]
        for file in data["outputs"]?.elements ?? [] {
            guard let number = file["number"]?.int, let hash = file["sha256"]?.string else { continue }
            hashes[Int(number)] = hash
        }
        outputHashes = hashes
    }
}
