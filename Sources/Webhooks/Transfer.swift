import CCurl
import Lines
import Stores

/// One request under way: an easy handle with its options, and what has come back. Confined to the engine's loop.
final class Transfer {
    let easy: UnsafeMutableRawPointer
    /// Its memory is read by the barrier, also when another filter is used by now.
    private let filter: AddressFilter
    private let completion: (SendResult) -> Void
    private let settings: SenderSettings
    private var reader = AnswerReader()
    private var hasAnswerBegun = false
    // libcurl copies none of these three: they live until `release`.
    private let barrier: UnsafeMutablePointer<port77_barrier>
    private var headers: UnsafeMutablePointer<curl_slist>?
    private var pin: UnsafeMutablePointer<curl_slist>?

    init(
        easy: UnsafeMutableRawPointer, request: SendRequest, filter: AddressFilter, settings: SenderSettings,
        completion: @escaping (SendResult) -> Void
    ) {
        self.easy = easy
        self.filter = filter
        self.settings = settings
        self.completion = completion
        barrier = .allocate(capacity: 1)
        barrier.initialize(to: port77_barrier())
        barrier.pointee.filter = UnsafePointer(filter.shared)
        for header in request.headers { append("\(header.name): \(header.value)") }
        append("Expect:")
        // Whatever name and port the URL has, the connection goes to this address: no look-up, and no second answer.
        pin = curl_slist_append(nil, "::\(request.address.inBrackets):\(request.url.port)")
    }

    deinit {
        barrier.deallocate()
        curl_slist_free_all(headers)
        curl_slist_free_all(pin)
    }

    private func append(_ line: String) {
        // nil only for want of memory; the list so far stays valid then.
        headers = curl_slist_append(headers, line) ?? headers
    }

    /// - Returns: false when libcurl takes an option not; the request must not be sent then.
    func configure(_ request: SendRequest) -> Bool {
        guard headers != nil, pin != nil else { return false }
        let scheme = request.url.isTLS ? "https" : "http"
        let context = Unmanaged.passUnretained(self).toOpaque()
        var isGood = port77_set_barrier(easy, barrier) == CURLE_OK
        func set(_ option: CURLoption, _ value: Int) {
            isGood = port77_set_long(easy, option, value) == CURLE_OK && isGood
        }
        func set(_ option: CURLoption, _ value: String) {
            isGood = port77_set_text(easy, option, value) == CURLE_OK && isGood
        }
        set(CURLOPT_URL, request.url.text)
        isGood = port77_set_list(easy, CURLOPT_CONNECT_TO, pin) == CURLE_OK && isGood
        set(CURLOPT_PROTOCOLS_STR, scheme)
        set(CURLOPT_REDIR_PROTOCOLS_STR, scheme)
        set(CURLOPT_FOLLOWLOCATION, 0)
        // Otherwise the proxy variables of the environment are obeyed.
        set(CURLOPT_PROXY, "")
        set(CURLOPT_NOPROXY, "*")
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        set(CURLOPT_HTTP09_ALLOWED, 0)
        // HTTP/2 where the receiver chooses it in the TLS handshake; in the clear nobody is asked.
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        set(CURLOPT_HTTP_CONTENT_DECODING, 0)
        set(CURLOPT_PIPEWAIT, 0)
        set(CURLOPT_TIMEOUT_MS, settings.timeout.wholeMilliseconds)
        set(CURLOPT_CONNECTTIMEOUT_MS, settings.connectTimeout.wholeMilliseconds)
        set(CURLOPT_MAXAGE_CONN, 60)
        set(CURLOPT_MAXLIFETIME_CONN, 600)
        set(CURLOPT_BUFFERSIZE, 4096)
        // Acts on announced lengths only; the write callback counts the others.
        isGood =
            port77_set_offset(easy, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(SenderSettings.longestBody)) == CURLE_OK
            && isGood
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        if let file = settings.caFile { set(CURLOPT_CAINFO, file) }
        if !request.tls.pins.isEmpty { set(CURLOPT_PINNEDPUBLICKEY, request.tls.pins.joined(separator: ";")) }
        if let identity = request.tls.identity {
            for (option, text) in [
                (CURLOPT_SSLCERT_BLOB, identity.certificate), (CURLOPT_SSLKEY_BLOB, identity.key),
            ] {
                isGood =
                    Array(text.utf8).withUnsafeBytes {
                        port77_set_octets(easy, option, $0.baseAddress, $0.count)
                    } == CURLE_OK && isGood
            }
        }
        set(CURLOPT_USERAGENT, "port77/\(settings.version)")
        switch request.method {
        case .post:
            set(CURLOPT_POST, 1)
            isGood =
                port77_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.count)) == CURLE_OK
                && isGood
            isGood =
                request.body.withUnsafeBytes {
                    port77_set_pointer(
                        easy, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: $0.baseAddress))
                } == CURLE_OK && isGood
        case .options: set(CURLOPT_CUSTOMREQUEST, "OPTIONS")
        }
        isGood = port77_set_list(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK && isGood
        isGood = port77_set_pointer(easy, CURLOPT_HEADERDATA, context) == CURLE_OK && isGood
        isGood = port77_set_pointer(easy, CURLOPT_WRITEDATA, context) == CURLE_OK && isGood
        isGood =
            port77_set_data_callback(easy, CURLOPT_HEADERFUNCTION) { line, size, count, context in
                Transfer.take(line, size, count, context) { $0.headerCame($1) }
            } == CURLE_OK && isGood
        isGood =
            port77_set_data_callback(easy, CURLOPT_WRITEFUNCTION) { piece, size, count, context in
                Transfer.take(piece, size, count, context) { $0.reader.body($1) }
            } == CURLE_OK && isGood
        return isGood
    }

    /// What libcurl hands over; any other number than that of the octets makes it give the answer up.
    private static func take(
        _ start: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?,
        _ body: (Transfer, UnsafeRawBufferPointer) -> Bool
    ) -> Int {
        guard let start, let context else { return 0 }
        // The engine holds the transfer until its handle has been removed.
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        let octets = UnsafeRawBufferPointer(start: start, count: size * count)
        return body(transfer, octets) ? octets.count : octets.count &+ 1
    }

    private func headerCame(_ line: UnsafeRawBufferPointer) -> Bool {
        if !hasAnswerBegun {
            hasAnswerBegun = true
            // From here on a stall counts. Not before: thinking long is a receiver's right, up to the whole time limit.
            _ = port77_set_long(easy, CURLOPT_LOW_SPEED_LIMIT, 1)
            _ = port77_set_long(easy, CURLOPT_LOW_SPEED_TIME, max(1, Int(settings.stallTimeout.components.seconds)))
        }
        return reader.header(line)
    }

    /// What became of it; before the handle leaves the multi handle, which forgets some of it.
    func result(_ code: CURLcode) -> SendResult {
        let isBlocked = barrier.pointee.blocked != 0
        var result = SendResult(failure: isBlocked ? .blockedAddress : SendFailure(code))
        // An announced length beyond the limit ends the transfer in the middle of the head.
        if !isBlocked, reader.isHeadComplete || code == CURLE_FILESIZE_EXCEEDED, let status = reader.status,
            status >= 200
        {
            result.status = status
            result.answer = reader.kept
            result.retryAfter = reader.retryAfter
            result.location = reader.location
            result.allowedOrigin = reader.allowedOrigin
            result.allowedRate = reader.allowedRate
            result.detail = (300...399).contains(status) ? "Redirects are not followed." : nil
        } else if result.failure == nil {
            // libcurl takes an end in the middle of the head for a good one.
            result.failure = .disconnected
            result.detail = SendFailure.disconnected.words
        }
        if result.failure == .tlsFailed { result.detail = tlsWords(code) }
        result.timings.connected = time(CURLINFO_CONNECT_TIME_T)
        result.timings.secured = time(CURLINFO_APPCONNECT_TIME_T)
        result.timings.firstByte = time(CURLINFO_STARTTRANSFER_TIME_T)
        result.timings.total = time(CURLINFO_TOTAL_TIME_T)
        result.isReused = barrier.pointee.opened == 0 && result.status != nil
        if !isBlocked { result.exchange = exchange(code) }
        return result
    }

    private func exchange(_ code: CURLcode) -> DeliveryExchange {
        var exchange = DeliveryExchange()
        guard barrier.pointee.passed != 0 else {
            if code == CURLE_PEER_FAILED_VERIFICATION { exchange.verifyResult = verifyResult }
            return exchange
        }
        var sent: curl_off_t = 0
        if port77_get_offset(easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK { exchange.sentOctets = Int(sent) }
        if reader.status != nil {
            exchange.receivedOctets = reader.bodyOctets
            var version = 0
            _ = port77_get_long(easy, CURLINFO_HTTP_VERSION, &version)
            exchange.httpVersion =
                switch version {
                case Int(CURL_HTTP_VERSION_1_0): 10
                case Int(CURL_HTTP_VERSION_1_1): 11
                case Int(CURL_HTTP_VERSION_2_0): 20
                default: nil
                }
        }
        if barrier.pointee.tls_version != 0 {
            exchange.tlsVersion = Int(barrier.pointee.tls_version)
            exchange.verifyResult = barrier.pointee.verify_result
        }
        return exchange
    }

    private var verifyResult: Int {
        var verification = 0
        _ = port77_get_long(easy, CURLINFO_SSL_VERIFYRESULT, &verification)
        return verification
    }

    func complete(_ result: SendResult) { completion(result) }

    private func time(_ info: CURLINFO) -> Duration {
        var microseconds: curl_off_t = 0
        return port77_get_offset(easy, info, &microseconds) == CURLE_OK ? .microseconds(Int64(microseconds)) : .zero
    }

    private func tlsWords(_ code: CURLcode) -> String {
        if code == CURLE_SSL_PINNEDPUBKEYNOTMATCH { return "The receiver's key is none of those that are pinned." }
        guard code == CURLE_PEER_FAILED_VERIFICATION else { return SendFailure.tlsFailed.words }
        return switch verifyResult {
        // 1 is what libcurl sets before the chain is judged; the name is compared before that.
        case 0, 1, 62: "The receiver's certificate is for another name."
        case 9: "The receiver's certificate is not valid yet."
        case 10: "The receiver's certificate has expired."
        case 18, 19, 20, 21: "The receiver's certificate is not signed by an authority that this gateway knows."
        default: "The receiver's certificate could not be verified."
        }
    }
}

extension SendFailure {
    init?(_ code: CURLcode) {
        switch code {
        case CURLE_OK: return nil
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: self = .resolveFailed
        case CURLE_COULDNT_CONNECT: self = .connectFailed
        case CURLE_OPERATION_TIMEDOUT: self = .timeout
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CIPHER, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_USE_SSL_FAILED,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH:
            self = .tlsFailed
        case CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_PARTIAL_FILE: self = .disconnected
        case CURLE_ABORTED_BY_CALLBACK: self = .blockedAddress
        case CURLE_URL_MALFORMAT: self = .badURL
        case CURLE_FAILED_INIT, CURLE_BAD_FUNCTION_ARGUMENT, CURLE_UNKNOWN_OPTION: self = .engineReset
        // `CURLE_OUT_OF_MEMORY` is how a header line beyond libcurl's own limit ends.
        default: self = .malformedAnswer
        }
    }
}

extension Duration {
    /// At least 1, so that a limit never turns into "none".
    var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        return max(1, Int(clamping: min(seconds, 1 << 40)) * 1000 + Int(attoseconds / 1_000_000_000_000_000))
    }
}
