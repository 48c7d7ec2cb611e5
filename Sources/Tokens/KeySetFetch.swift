import CCurl
import Foundation

/// Where an issuer's keys are.
package enum KeySetPlace: Equatable, Sendable, CustomStringConvertible {
    case file(String)
    /// - Parameter authorities: PEM file of those to trust instead of the system's.
    case url(String, authorities: String?)

    package var description: String {
        switch self {
        case .file(let path): path
        case .url(let url, _): url
        }
    }

    /// https, or http to this machine: keys that anybody on the way could change would prove nothing.
    package static func isGood(url: String) -> Bool {
        guard let parts = URLComponents(string: url), let host = parts.host, parts.user == nil, parts.password == nil
        else { return false }
        return parts.scheme == "https"
            || parts.scheme == "http" && ["127.0.0.1", "[::1]", "::1", "localhost"].contains(host)
    }
}

package struct FetchedKeys: Equatable, Sendable {
    package let body: [UInt8]
    /// How long the server says it can be kept.
    package let maxAge: Duration?
}

package struct FetchFault: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
}

extension KeySetPlace {
    /// Reads what is there; blocks for as long as that takes, 10 s at most.
    func fetch() -> Result<FetchedKeys, FetchFault> {
        switch self {
        case .file(let path):
            guard let data = FileManager.default.contents(atPath: path) else {
                return .failure(FetchFault(description: "the file cannot be read"))
            }
            // Files are looked at as often as may be.
            return .success(FetchedKeys(body: Array(data), maxAge: KeySetSchedule.leastAge))
        case .url(let url, let authorities): return KeySetTransfer().fetch(url, authorities)
        }
    }
}

/// One GET by libcurl on the thread that asks for it.
private final class KeySetTransfer {
    private var body: [UInt8] = []
    private var maxAge: Duration?

    func fetch(_ url: String, _ authorities: String?) -> Result<FetchedKeys, FetchFault> {
        guard let easy = curl_easy_init() else {
            return .failure(FetchFault(description: "libcurl could not be set up"))
        }
        defer { curl_easy_cleanup(easy) }
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = port77_set_text(easy, CURLOPT_URL, url)
        _ = port77_set_text(easy, CURLOPT_PROTOCOLS_STR, url.hasPrefix("https") ? "https" : "http")
        // A redirect could lead off TLS, and no proxy of the environment is obeyed.
        _ = port77_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        _ = port77_set_text(easy, CURLOPT_PROXY, "")
        _ = port77_set_text(easy, CURLOPT_NOPROXY, "*")
        _ = port77_set_long(easy, CURLOPT_NOSIGNAL, 1)
        _ = port77_set_long(easy, CURLOPT_TIMEOUT_MS, 10_000)
        _ = port77_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, 5000)
        _ = port77_set_long(easy, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        if let authorities { _ = port77_set_text(easy, CURLOPT_CAINFO, authorities) }
        _ = port77_set_pointer(easy, CURLOPT_WRITEDATA, context)
        _ = port77_set_pointer(easy, CURLOPT_HEADERDATA, context)
        _ = port77_set_data_callback(easy, CURLOPT_WRITEFUNCTION) { start, size, count, context in
            KeySetTransfer.take(start, size * count, context) { $0.bodyCame($1) }
        }
        _ = port77_set_data_callback(easy, CURLOPT_HEADERFUNCTION) { start, size, count, context in
            KeySetTransfer.take(start, size * count, context) { $0.fieldCame($1) }
        }
        let result = curl_easy_perform(easy)
        guard result == CURLE_OK else {
            let words = curl_easy_strerror(result).map { String(cString: $0) } ?? "error \(result.rawValue)"
            return .failure(FetchFault(description: words))
        }
        var status = 0
        _ = port77_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
        guard status == 200 else { return .failure(FetchFault(description: "the server answered \(status)")) }
        return .success(FetchedKeys(body: body, maxAge: maxAge))
    }

    private static func take(
        _ start: UnsafeMutablePointer<CChar>?, _ count: Int, _ context: UnsafeMutableRawPointer?,
        _ use: (KeySetTransfer, UnsafeRawBufferPointer) -> Bool
    ) -> Int {
        guard let start, let context else { return 0 }
        // `fetch` is on the stack below, and with it the transfer.
        let transfer = Unmanaged<KeySetTransfer>.fromOpaque(context).takeUnretainedValue()
        return use(transfer, UnsafeRawBufferPointer(start: start, count: count)) ? count : count &+ 1
    }

    private func bodyCame(_ octets: UnsafeRawBufferPointer) -> Bool {
        guard body.count + octets.count <= KeySetDocument.largest else { return false }
        body += octets
        return true
    }

    private func fieldCame(_ octets: UnsafeRawBufferPointer) -> Bool {
        if let age = CacheControl.maxAge(ofLine: String(decoding: octets, as: UTF8.self)) { maxAge = age }
        return true
    }
}

enum CacheControl {
    /// Of a header line; nil when it is another, or says nothing about it.
    static func maxAge(ofLine line: String) -> Duration? {
        guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == "cache-control" else { return nil }
        let words = line[line.index(after: colon)...].lowercased().split { ", \r\n\t".contains($0) }
        if words.contains("no-store") || words.contains("no-cache") { return .zero }
        return words.lazy.filter { $0.hasPrefix("max-age=") }.compactMap { Int32($0.dropFirst(8)) }.first
            .map { .seconds(max(0, $0)) }
    }
}
