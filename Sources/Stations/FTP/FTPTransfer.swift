import CCurl
import Dispatch
import Foundation
import Synchronization
import Wire

/// Where an FTP server is, and as whom to talk to it.
package struct FTPLogOn: Equatable, Sendable {
    /// `name:21`, `[::1]:21`.
    package var authority: String
    package var user: String
    package var password: String

    package init(authority: String, user: String, password: String) {
        self.authority = authority
        self.user = user
        self.password = password
    }
}

/// One file moved by libcurl on a thread of its own, piece by piece: the thread waits while a piece is worked on, so memory
/// stays flat and a slow side slows the other.
///
/// Files travel as ASCII text by FTP's own rules (TYPE A, STRU F, MODE S). Here lines end in CR LF on both ways, as they do
/// on the data connection; libcurl gives and takes them with LF.
package struct FTPTransfer: Sendable {
    package enum Failure: Error, Equatable, Sendable {
        case logOnRefused(String)
        case fileRefused(String)
        case failed(String)
    }

    let server: FTPLogOn
    let pathname: String

    /// - Throws: for a pathname that no FTP command can carry.
    package init(_ server: FTPLogOn, pathname: String) throws(Failure) {
        guard !pathname.isEmpty, pathname.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw .fileRefused("no pathname for FTP")
        }
        self.server = server
        self.pathname = pathname
    }

    /// RETR.
    package func retrieve(
        begun: @Sendable () async -> Void = {}, piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        var lines = LineEnds()
        try await run(.retrieve) { event in
            switch event {
            case .begun: await begun()
            case .piece(let octets): try await piece(lines.withReturns(octets))
            case .wanted: break
            }
            return nil
        }
    }

    /// STOR, or APPE. `next` gives nil at the end.
    package func send(appending: Bool, next: @Sendable () async throws -> [UInt8]?) async throws {
        var lines = LineEnds()
        var isOver = false
        try await run(appending ? .append : .store) { event in
            guard event == .wanted else { return nil }
            while !isOver {
                guard let octets = try await next() else {
                    isOver = true
                    return lines.rest()
                }
                let text = lines.withoutReturns(octets)
                if !text.isEmpty { return text }
            }
            return []
        }
    }

    package func delete() async throws { try await run(.delete) { _ in nil } }

    fileprivate enum Deed: Sendable { case retrieve, store, append, delete }

    private func run(_ deed: Deed, _ handle: (FTPThread.Event) async throws -> [UInt8]?) async throws {
        let thread = FTPThread(self, deed)
        defer { thread.giveUp() }
        thread.start()
        for await event in thread.events {
            switch event {
            case .did(let event): thread.answer(try await handle(event) ?? [])
            case .ended(let failure):
                if let failure { throw failure }
                return
            }
        }
        throw CancellationError()
    }
}

/// CR LF here, LF at libcurl. A CR that stands alone is kept.
private struct LineEnds {
    private var last: UInt8 = 0
    private var holdsReturn = false

    mutating func withReturns(_ octets: [UInt8]) -> [UInt8] {
        var lines: [UInt8] = []
        lines.reserveCapacity(octets.count + octets.count / 32)
        for octet in octets {
            if octet == 0x0A, last != 0x0D { lines.append(0x0D) }
            lines.append(octet)
            last = octet
        }
        return lines
    }

    mutating func withoutReturns(_ octets: [UInt8]) -> [UInt8] {
        var lines: [UInt8] = []
        lines.reserveCapacity(octets.count)
        for octet in octets {
            if holdsReturn, octet != 0x0A { lines.append(0x0D) }
            holdsReturn = octet == 0x0D
            if !holdsReturn { lines.append(octet) }
        }
        return lines
    }

    mutating func rest() -> [UInt8] {
        defer { holdsReturn = false }
        return holdsReturn ? [0x0D] : []
    }
}

/// The thread of one transfer, and the one-place exchange with the task that waits for it.
private final class FTPThread: Sendable {
    enum Event: Equatable, Sendable {
        /// The server accepted the file.
        case begun
        case piece([UInt8])
        /// libcurl takes octets to send.
        case wanted
    }

    enum Message: Sendable {
        case did(Event)
        case ended(FTPTransfer.Failure?)
    }

    private struct State {
        var answer: [UInt8] = []
        var isGivenUp = false
        /// Of an answer that libcurl had no room for.
        var pending: [UInt8] = []
        var reply = ""
    }

    /// One at a time: the thread waits for the answer to each.
    let events: AsyncStream<Message>
    private let tell: AsyncStream<Message>.Continuation
    private let transfer: FTPTransfer
    private let deed: FTPTransfer.Deed
    private let state = Mutex(State())
    private let answered = DispatchSemaphore(value: 0)

    init(_ transfer: FTPTransfer, _ deed: FTPTransfer.Deed) {
        self.transfer = transfer
        self.deed = deed
        (events, tell) = AsyncStream.makeStream()
    }

    func start() {
        let thread = Thread { [self] in
            tell.yield(.ended(perform()))
            tell.finish()
        }
        thread.name = "ftp"
        thread.start()
    }

    func answer(_ octets: [UInt8]) {
        state.withLock { $0.answer = octets }
        answered.signal()
    }

    /// Nobody waits any more: the thread ends at its next turn.
    func giveUp() {
        state.withLock { $0.isGivenUp = true }
        answered.signal()
    }

    /// - Returns: nil when the transfer was given up.
    private func ask(_ event: Event) -> [UInt8]? {
        guard !state.withLock({ $0.isGivenUp }) else { return nil }
        tell.yield(.did(event))
        answered.wait()
        return state.withLock { $0.isGivenUp ? nil : $0.answer }
    }

    // MARK: on the thread

    private func perform() -> FTPTransfer.Failure? {
        guard let easy = curl_easy_init() else { return .failed("libcurl could not be set up") }
        defer { curl_easy_cleanup(easy) }
        let context = Unmanaged.passUnretained(self).toOpaque()
        var commands: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(commands) }
        let path = transfer.pathname
        let base = "ftp://\(transfer.server.authority)/"
        _ = port77_set_text(easy, CURLOPT_URL, deed == .delete ? base : base + Self.encoded(path))
        _ = port77_set_text(easy, CURLOPT_PROTOCOLS_STR, "ftp")
        // No proxy from the environment.
        _ = port77_set_text(easy, CURLOPT_PROXY, "")
        _ = port77_set_text(easy, CURLOPT_USERNAME, transfer.server.user)
        _ = port77_set_text(easy, CURLOPT_PASSWORD, transfer.server.password)
        _ = port77_set_long(easy, CURLOPT_NOSIGNAL, 1)
        _ = port77_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, 10_000)
        _ = port77_set_long(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, 60)
        _ = port77_set_long(easy, CURLOPT_LOW_SPEED_LIMIT, 1)
        _ = port77_set_long(easy, CURLOPT_LOW_SPEED_TIME, 120)
        // 2, no CWD: the pathname goes to RETR as it is.
        _ = port77_set_long(easy, CURLOPT_FTP_FILEMETHOD, 2)
        _ = port77_set_long(easy, CURLOPT_TRANSFERTEXT, 1)
        _ = port77_set_pointer(easy, CURLOPT_HEADERDATA, context)
        _ = port77_set_data_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            FTPThread.of(context)?.replied(bytes, size * count) ?? 0
        }
        switch deed {
        case .retrieve:
            _ = port77_set_pointer(easy, CURLOPT_WRITEDATA, context)
            _ = port77_set_data_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
                FTPThread.of(context)?.came(bytes, size * count) ?? 0
            }
        case .store, .append:
            _ = port77_set_long(easy, CURLOPT_UPLOAD, 1)
            _ = port77_set_long(easy, CURLOPT_APPEND, deed == .append ? 1 : 0)
            _ = port77_set_pointer(easy, CURLOPT_READDATA, context)
            _ = port77_set_data_callback(easy, CURLOPT_READFUNCTION) { bytes, size, count, context in
                FTPThread.of(context)?.goes(bytes, size * count) ?? Int(CURL_READFUNC_ABORT)
            }
        case .delete:
            _ = port77_set_long(easy, CURLOPT_NOBODY, 1)
            commands = curl_slist_append(nil, "DELE \(path)")
            _ = port77_set_list(easy, CURLOPT_QUOTE, commands)
        }
        let result = curl_easy_perform(easy)
        return result == CURLE_OK ? nil : failure(result)
    }

    /// Every octet but letters and digits: a slash is the pathname's own, not the URL's.
    private static func encoded(_ path: String) -> String {
        path.utf8.map { octet in
            switch octet {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: String(UnicodeScalar(octet))
            default: "%" + Hex.encode([octet]).uppercased()
            }
        }.joined()
    }

    private func failure(_ result: CURLcode) -> FTPTransfer.Failure {
        let reply = state.withLock { $0.reply }
        let system = curl_easy_strerror(result).map { String(cString: $0) } ?? "error \(result.rawValue)"
        let words = reply.isEmpty ? system : "\(system) (\(reply))"
        switch result {
        case CURLE_LOGIN_DENIED: return .logOnRefused(words)
        case CURLE_REMOTE_ACCESS_DENIED, CURLE_FTP_COULDNT_RETR_FILE, CURLE_REMOTE_FILE_NOT_FOUND, CURLE_UPLOAD_FAILED,
            CURLE_QUOTE_ERROR, CURLE_FTP_COULDNT_SET_TYPE, CURLE_URL_MALFORMAT:
            return .fileRefused(words)
        default: return .failed(words)
        }
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> FTPThread? {
        context.map { Unmanaged<FTPThread>.fromOpaque($0).takeUnretainedValue() }
    }

    /// A reply line of the server; 125 and 150 say that the transfer begins.
    private func replied(_ bytes: UnsafePointer<CChar>?, _ count: Int) -> Int {
        guard let bytes else { return 0 }
        let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        state.withLock { $0.reply = String(line.prefix(200)) }
        if deed == .retrieve, line.hasPrefix("150") || line.hasPrefix("125") { return ask(.begun) == nil ? 0 : count }
        return count
    }

    private func came(_ bytes: UnsafePointer<CChar>?, _ count: Int) -> Int {
        guard let bytes else { return 0 }
        return ask(.piece(Array(UnsafeRawBufferPointer(start: bytes, count: count)))) == nil ? 0 : count
    }

    private func goes(_ bytes: UnsafeMutablePointer<CChar>?, _ room: Int) -> Int {
        guard let bytes else { return Int(CURL_READFUNC_ABORT) }
        var octets = state.withLock { state in
            defer { state.pending = [] }
            return state.pending
        }
        if octets.isEmpty {
            guard let more = ask(.wanted) else { return Int(CURL_READFUNC_ABORT) }
            octets = more
        }
        let count = min(room, octets.count)
        octets.withUnsafeBytes { from in
            UnsafeMutableRawBufferPointer(start: bytes, count: count).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: from[..<count]))
        }
        if count < octets.count { state.withLock { $0.pending = Array(octets[count...]) } }
        return count
    }
}
