import CCurl
import Lines

/// One multi handle on one loop. Everything in it happens on that loop's thread.
final class CurlEngine: @unchecked Sendable {
    private let loop: EventLoop
    private var filter: AddressFilter
    private var settings: SenderSettings
    private var multi: UnsafeMutableRawPointer?
    private var idle: [UnsafeMutableRawPointer] = []
    /// By easy handle; this is what keeps a transfer alive while libcurl has its address.
    private var transfers: [UnsafeMutableRawPointer: Transfer] = [:]
    private var sockets: [CInt: Socket] = [:]
    private var timer: LoopTimer?
    private var isShutDown = false

    /// Handles kept for reuse.
    private static let mostIdle = 128

    private final class Socket: DescriptorHandler {
        let descriptor: CInt
        private weak var engine: CurlEngine?
        init(_ descriptor: CInt, _ engine: CurlEngine) {
            self.descriptor = descriptor
            self.engine = engine
        }
        func ready(_ readiness: Readiness) { engine?.socketReady(descriptor, readiness) }
        func loopStopped() {}
    }

    init(loop: EventLoop, filter: AddressFilter, settings: SenderSettings) {
        self.loop = loop
        self.filter = filter
        self.settings = settings
    }

    func use(_ settings: SenderSettings, filter: AddressFilter) {
        loop.checkIsolated()
        self.settings = settings
        self.filter = filter
    }

    func start(_ request: SendRequest, completion: @escaping (SendResult) -> Void) {
        loop.checkIsolated()
        guard !isShutDown else { return completion(SendResult(failure: .stopped)) }
        guard let multi = multi ?? makeMulti(), let easy = idle.popLast() ?? curl_easy_init() else {
            return completion(SendResult(failure: .engineReset))
        }
        let transfer = Transfer(
            easy: easy, request: request, filter: filter, settings: settings, completion: completion)
        guard transfer.configure(request) else {
            curl_easy_cleanup(easy)
            return completion(SendResult(failure: .engineReset))
        }
        transfers[easy] = transfer
        if curl_multi_add_handle(multi, easy) != CURLM_OK {
            transfers[easy] = nil
            curl_easy_cleanup(easy)
            completion(SendResult(failure: .engineReset))
        }
    }

    /// Ends every transfer with this reason. The engine can be used on.
    func abandon(_ reason: SendFailure) {
        loop.checkIsolated()
        let abandoned = transfers
        transfers = [:]
        for easy in abandoned.keys { release(easy) }
        for transfer in abandoned.values { transfer.complete(SendResult(failure: reason)) }
    }

    func shutDown() {
        loop.checkIsolated()
        guard !isShutDown else { return }
        isShutDown = true
        abandon(.stopped)
        dropMulti()
        for easy in idle { curl_easy_cleanup(easy) }
        idle = []
    }

    private func makeMulti() -> UnsafeMutableRawPointer? {
        guard let new = curl_multi_init() else { return nil }
        let context = Unmanaged.passUnretained(self).toOpaque()
        var codes: [CURLMcode] = []
        codes.append(port77_multi_set_pointer(new, CURLMOPT_SOCKETDATA, context))
        codes.append(
            port77_multi_set_socket_callback(new) { _, descriptor, wanted, context, _ in
                guard let context else { return -1 }
                Unmanaged<CurlEngine>.fromOpaque(context).takeUnretainedValue().socketChanged(descriptor, wanted)
                return 0
            })
        codes.append(port77_multi_set_pointer(new, CURLMOPT_TIMERDATA, context))
        codes.append(
            port77_multi_set_timer_callback(new) { _, milliseconds, context in
                guard let context else { return -1 }
                Unmanaged<CurlEngine>.fromOpaque(context).takeUnretainedValue().timerChanged(milliseconds)
                return 0
            })
        codes.append(port77_multi_set_long(new, CURLMOPT_MAXCONNECTS, settings.cachedConnections))
        guard codes.allSatisfy({ $0 == CURLM_OK }) else {
            curl_multi_cleanup(new)
            return nil
        }
        multi = new
        return new
    }

    private func dropMulti() {
        let old = multi
        multi = nil
        curl_multi_cleanup(old)
        timer?.cancel()
        timer = nil
        for descriptor in sockets.keys { loop.unregister(descriptor: descriptor) }
        sockets = [:]
    }

    /// An easy handle leaves the multi handle and waits for its next use.
    private func release(_ easy: UnsafeMutableRawPointer) {
        if let multi { curl_multi_remove_handle(multi, easy) }
        if idle.count < Self.mostIdle {
            curl_easy_reset(easy)
            idle.append(easy)
        } else {
            curl_easy_cleanup(easy)
        }
    }

    // MARK: called by libcurl; nothing here may call a multi function

    private func socketChanged(_ descriptor: CInt, _ wanted: CInt) {
        guard wanted != CURL_POLL_REMOVE else {
            loop.unregister(descriptor: descriptor)
            sockets[descriptor] = nil
            return
        }
        let interest: Readiness =
            switch wanted {
            case CURL_POLL_IN: .readable
            case CURL_POLL_OUT: .writable
            default: [.readable, .writable]
            }
        let socket = sockets[descriptor] ?? Socket(descriptor, self)
        sockets[descriptor] = socket
        // Registered anew each time: libcurl may have closed the descriptor and got the same number again. Should it fail,
        // the transfer ends by its time limit.
        try? loop.register(descriptor: descriptor, interest: interest, handler: socket)
    }

    private func timerChanged(_ milliseconds: Int) {
        timer?.cancel()
        timer = nil
        guard milliseconds >= 0 else { return }
        timer = loop.schedule(after: .milliseconds(milliseconds)) { [weak self] in self?.timeCame() }
    }

    // MARK: called by the loop

    private func timeCame() {
        timer = nil
        act(CURL_SOCKET_TIMEOUT, 0)
    }

    private func socketReady(_ descriptor: CInt, _ readiness: Readiness) {
        var mask: CInt = 0
        if readiness.contains(.readable) { mask |= CURL_CSELECT_IN }
        if readiness.contains(.writable) { mask |= CURL_CSELECT_OUT }
        if !readiness.isDisjoint(with: .failed) { mask |= CURL_CSELECT_ERR }
        act(descriptor, mask)
    }

    private func act(_ descriptor: CInt, _ mask: CInt) {
        guard let multi else { return }
        var running: CInt = 0
        guard curl_multi_socket_action(multi, descriptor, mask, &running) == CURLM_OK else { return rebuild() }
        var code = CURLE_OK
        var finished: [(Transfer, SendResult)] = []
        while let easy = port77_multi_next_finished(multi, &code) {
            guard let transfer = transfers.removeValue(forKey: easy) else { continue }
            finished.append((transfer, transfer.result(code)))
            release(easy)
        }
        for (transfer, result) in finished { transfer.complete(result) }
    }

    /// After an error of the multi handle every transfer in it is undefined.
    private func rebuild() {
        let lost = transfers
        transfers = [:]
        for easy in lost.keys {
            if let multi { curl_multi_remove_handle(multi, easy) }
            curl_easy_cleanup(easy)
        }
        dropMulti()
        for transfer in lost.values { transfer.complete(SendResult(failure: .engineReset)) }
    }
}
