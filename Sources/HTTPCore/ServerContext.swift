import Glibc
import Lines

/// What the connections of one loop share. Confined to the loop.
final class ServerContext: @unchecked Sendable {
    let router: Router
    let loop: EventLoop
    let options: Server.Options
    private(set) var isStopping = false
    /// Answers are the last of their connections.
    private(set) var isLeaving = false
    /// Heads, and small bodies behind them, are put together here, so that they leave in one piece.
    var output: [UInt8] = []
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private var stopWaiters: [CheckedContinuation<Void, Never>] = []
    private var requestNumber: UInt64
    private var dateLine: [UInt8] = []
    private var dateSecond = 0

    init(router: Router, loop: EventLoop, options: Server.Options, index: Int) {
        self.router = router
        self.loop = loop
        self.options = options
        requestNumber = UInt64(index) << 36
        output.reserveCapacity(4096)
    }

    func nextRequestNumber() -> UInt64 {
        requestNumber &+= 1
        return requestNumber
    }

    func enter(_ connection: ServerConnection) {
        connections[ObjectIdentifier(connection)] = connection
    }

    func leave(_ connection: ServerConnection) {
        connections[ObjectIdentifier(connection)] = nil
        if isStopping, connections.isEmpty {
            for waiter in stopWaiters { waiter.resume() }
            stopWaiters = []
        }
    }

    /// Returns when no connection is left.
    func stop(grace: Duration) async {
        await withCheckedContinuation { continuation in
            loop.execute { self.beginStop(grace: grace, continuation) }
        }
    }

    func announceStop() {
        isLeaving = true
        for connection in connections.values { connection.serverLeaves() }
    }

    private func beginStop(grace: Duration, _ continuation: CheckedContinuation<Void, Never>) {
        isStopping = true
        isLeaving = true
        for connection in connections.values { connection.serverStops() }
        guard !connections.isEmpty else {
            continuation.resume()
            return
        }
        stopWaiters.append(continuation)
        loop.schedule(after: grace) {
            for connection in self.connections.values { connection.cut() }
        }
    }

    // MARK: heads

    /// Appends a head to `output`.
    ///
    /// - Parameter length: for `Content-Length`; `nil` for chunks, or for a body that ends with the connection.
    func writeHead(
        _ response: Response, length: Int?, isChunked: Bool, keepsAlive: Bool, minorVersion: Int, requestID: [UInt8]?,
        isTLS: Bool
    ) {
        if let line = StatusLine.known(response.status) {
            output.append(line)
        } else {
            output += "HTTP/1.1 \(response.status) \r\n".utf8
        }
        appendDate()
        if let type = response.contentType {
            output.append("Content-Type: ")
            output += type.utf8
            output.append("\r\n")
        }
        if let length {
            output.append("Content-Length: ")
            output.append(decimal: length)
            output.append("\r\n")
        } else if isChunked {
            output.append("Transfer-Encoding: chunked\r\n")
        }
        if let requestID {
            output.append("Request-Id: ")
            output += requestID
            output.append("\r\n")
        }
        for field in response.fields.items { append(field) }
        for field in options.fields.items where response.fields[field.name] == nil { append(field) }
        if isTLS {
            for field in options.fieldsOverTLS.items where response.fields[field.name] == nil { append(field) }
        }
        if !keepsAlive {
            output.append("Connection: close\r\n")
        } else if minorVersion == 0 {
            output.append("Connection: keep-alive\r\n")
        }
        output.append("\r\n")
    }

    private func append(_ field: Fields.Item) {
        output += field.name.utf8
        output.append(": ")
        output += field.value.utf8
        output.append("\r\n")
    }

    private func appendDate() {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &now)
        if now.tv_sec != dateSecond || dateLine.isEmpty {
            dateSecond = now.tv_sec
            dateLine = Array("Date: \(HTTPDate.text(Int64(now.tv_sec)))\r\n".utf8)
        }
        output += dateLine
    }

    /// Hands `output` to the connection.
    func flush(to connection: Connection) {
        output.withUnsafeBytes { connection.write($0) }
        if output.capacity > 256 * 1024 {
            output = []
        } else {
            output.removeAll(keepingCapacity: true)
        }
    }
}

extension Array<UInt8> {
    mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { append(contentsOf: $0) }
    }

    mutating func append(decimal number: Int) {
        let first = count
        var rest = number.magnitude
        repeat {
            append(UInt8(truncatingIfNeeded: rest % 10) &+ 0x30)
            rest /= 10
        } while rest > 0
        self[first...].reverse()
    }

    mutating func append(hexadecimal number: Int) {
        let first = count
        var rest = number.magnitude
        repeat {
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            append(digit < 10 ? 0x30 + digit : 0x57 + digit)
            rest >>= 4
        } while rest > 0
        self[first...].reverse()
    }
}

/// Nanoseconds of the monotonic clock.
func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
