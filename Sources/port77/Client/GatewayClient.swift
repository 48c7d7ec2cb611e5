import CCurl
import Foundation
import Wire

/// What the client commands need of HTTP, by libcurl. One call at a time, on the calling thread.
struct GatewayClient {
    struct Answer {
        var status = 0
        /// Lower-case names.
        var fields: [String: String] = [:]
        var body: [UInt8] = []

        var json: JSONValue? { try? JSONValue(parsing: body) }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let base: String
    let key: String?
    /// Where to connect instead of the address in `base`.
    var unixSocket: String?
    /// PEM files.
    var authorities: String?
    var certificate: String?
    var certificateKey: String?

    init(base: String, key: String?) {
        self.base = base.hasSuffix("/") ? String(base.dropLast()) : base
        self.key = key
    }

    /// - Parameters:
    ///   - target: path and query, encoded.
    ///   - limit: for all of it; a `Failure` afterwards.
    ///   - piece: takes the body as it comes; nil collects it. Asked only for answers below 400.
    func send(
        _ method: String, _ target: String, fields: [String: String] = [:], body: [UInt8]? = nil,
        limit: Duration? = nil, piece: (([UInt8]) -> Bool)? = nil
    ) throws -> Answer {
        guard let easy = curl_easy_init() else { throw Failure(description: "libcurl could not be set up") }
        defer { curl_easy_cleanup(easy) }
        let transfer = Transfer(piece: piece)
        var list: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(list) }
        var all = fields
        all["Expect"] = ""
        if let key { all["Authorization"] = "Bearer \(key)" }
        for (name, value) in all.sorted(by: { $0.key < $1.key }) { list = curl_slist_append(list, "\(name): \(value)") }
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        _ = port77_set_text(easy, CURLOPT_URL, base + target)
        _ = port77_set_text(easy, CURLOPT_CUSTOMREQUEST, method)
        _ = port77_set_text(easy, CURLOPT_USERAGENT, "port77-client")
        _ = port77_set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        _ = port77_set_long(easy, CURLOPT_NOSIGNAL, 1)
        _ = port77_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, 10_000)
        for (option, value) in [
            (CURLOPT_UNIX_SOCKET_PATH, unixSocket), (CURLOPT_CAINFO, authorities), (CURLOPT_SSLCERT, certificate),
            (CURLOPT_SSLKEY, certificateKey),
        ] {
            if let value { _ = port77_set_text(easy, option, value) }
        }
        if let limit {
            _ = port77_set_long(easy, CURLOPT_TIMEOUT_MS, max(1, Int(min(limit / .milliseconds(1), 2e9))))
        }
        _ = port77_set_list(easy, CURLOPT_HTTPHEADER, list)
        _ = port77_set_pointer(easy, CURLOPT_WRITEDATA, context)
        _ = port77_set_pointer(easy, CURLOPT_HEADERDATA, context)
        _ = port77_set_data_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            Transfer.of(context)?.header(bytes, size * count) ?? 0
        }
        _ = port77_set_data_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            Transfer.of(context)?.data(bytes, size * count) ?? 0
        }
        let result: CURLcode
        if method != "GET" {
            // one octet more: an empty array has no address, and without one libcurl would read standard input
            result = ((body ?? []) + [0]).withUnsafeBytes { octets in
                _ = port77_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(octets.count - 1))
                _ = port77_set_pointer(
                    easy, CURLOPT_POSTFIELDS, octets.baseAddress.map { UnsafeMutableRawPointer(mutating: $0) })
                return curl_easy_perform(easy)
            }
        } else {
            result = curl_easy_perform(easy)
        }
        guard result == CURLE_OK || transfer.isStopped else {
            let words = curl_easy_strerror(result).map { String(cString: $0) } ?? "error \(result.rawValue)"
            throw Failure(
                description:
                    "\(base): \(words). Is the gateway running? Name it by --gateway http://HOST:PORT, or PORT77_URL.")
        }
        return transfer.answer
    }
}

private final class Transfer {
    var answer = GatewayClient.Answer()
    var isStopped = false
    private let piece: (([UInt8]) -> Bool)?

    init(piece: (([UInt8]) -> Bool)?) { self.piece = piece }

    static func of(_ context: UnsafeMutableRawPointer?) -> Transfer? {
        context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
    }

    func header(_ bytes: UnsafePointer<CChar>?, _ count: Int) -> Int {
        let line = text(bytes, count)
        if line.hasPrefix("HTTP/") {
            answer.fields = [:]
            answer.status = Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0
        } else if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespacesAndNewlines)
            answer.fields[line[..<colon].lowercased()] = value
        }
        return count
    }

    func data(_ bytes: UnsafePointer<CChar>?, _ count: Int) -> Int {
        guard let bytes else { return 0 }
        let octets = Array(UnsafeRawBufferPointer(start: bytes, count: count))
        if let piece, answer.status < 400 {
            if piece(octets) { return count }
            isStopped = true
            return 0
        }
        answer.body += octets
        return count
    }

    private func text(_ bytes: UnsafePointer<CChar>?, _ count: Int) -> String {
        guard let bytes else { return "" }
        return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    }
}
