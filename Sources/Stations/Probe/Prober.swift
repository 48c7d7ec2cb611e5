package import Lines
package import Protocols

/// Finds out what answers at an address: connects, listens, and only when nobody speaks asks a question that a web server
/// and a TLS server answer. An RJE server greets by itself and is never asked.
package struct Prober: Sendable {
    package struct Settings: Sendable {
        /// For name and connection.
        package var connectTime = Duration.seconds(5)
        /// For the greeting; some servers ask the name service about us first.
        package var listenTime = Duration.seconds(5)
        /// For the answer to a question.
        package var answerTime = Duration.seconds(2)
        /// Nothing is ever sent.
        package var listensOnly = false
        package init() {}
    }

    private let settings: Settings
    private let loops: EventLoopGroup

    package init(_ settings: Settings = Settings(), loops: EventLoopGroup) {
        self.settings = settings
        self.loops = loops
    }

    package func probe(host: String, port: Int) async -> ProbeFinding {
        do throws(LineError) {
            let line = try await connect(host, port)
            defer { line.close() }
            if let heard = try await listen(to: line, for: settings.listenTime) { return heard }
            guard !settings.listensOnly else { return .silent }
            if let heard = try await ask(line, Self.webQuestion) { return heard }
            let second = try await connect(host, port)
            defer { second.close() }
            return try await ask(second, Self.tlsQuestion) ?? .silent
        } catch {
            return Self.finding(error)
        }
    }

    private func connect(_ host: String, _ port: Int) async throws(LineError) -> TCPLine {
        try await TCPLine.connect(to: host, port: port, on: loops.next(), timeout: settings.connectTime)
    }

    private func ask(_ line: TCPLine, _ question: [UInt8]) async throws(LineError) -> ProbeFinding? {
        do throws(LineError) {
            try await line.write(question, within: settings.answerTime)
        } catch {
            return nil
        }
        let heard = try await listen(to: line, for: settings.answerTime)
        // It hung up on our question, which says nothing of who it is.
        return heard == .hangsUp ? nil : heard
    }

    /// - Returns: nil when nothing was said and the line stands.
    private func listen(to line: TCPLine, for time: Duration) async throws(LineError) -> ProbeFinding? {
        var reading = SpeakerReading()
        let end = ContinuousClock.now + time
        while true {
            let left = end - ContinuousClock.now
            var isComplete = left <= .zero
            if !isComplete {
                do throws(LineError) {
                    if let octets = try await line.read(within: left) {
                        reading.append(octets)
                    } else {
                        isComplete = true
                    }
                } catch {
                    if error == .deadline {
                        return Self.finding(reading)
                    } else if error == .cancelled {
                        throw error
                    }
                    isComplete = true
                }
            }
            if let speaker = reading.verdict(isComplete: isComplete) {
                return .speaks(speaker, excerpt: reading.excerpt())
            }
            if isComplete { return left <= .zero ? nil : .hangsUp }
        }
    }

    private static func finding(_ reading: SpeakerReading) -> ProbeFinding? {
        reading.verdict(isComplete: true).map { .speaks($0, excerpt: reading.excerpt()) }
    }

    private static func finding(_ error: LineError) -> ProbeFinding {
        switch error {
        case .refused: .closed
        case .deadline: .filtered
        case .reset: .hangsUp
        case .unreachable, .unresolved, .closed, .cancelled, .tls, .tooManyDescriptors, .addressInUse, .badAddress,
            .system:
            .unreachable("\(error)")
        }
    }

    private static let webQuestion = Array("HEAD / HTTP/1.0\r\n\r\n".utf8)

    /// A TLS 1.2 ClientHello with two suites and no extensions: enough for any TLS server to answer, be it with an alert.
    ///
    /// Source: RFC 5246 section 7.4.1.2; the record says 3.1 as its appendix E.1 advises.
    private static let tlsQuestion: [UInt8] = {
        let random = [UInt8](repeating: 0x77, count: 32)
        let hello: [UInt8] = [0x03, 0x03] + random + [0x00, 0x00, 0x04, 0xC0, 0x2F, 0x00, 0x2F, 0x01, 0x00]
        let message: [UInt8] = [0x01, 0x00, 0x00, UInt8(hello.count)] + hello
        return [0x16, 0x03, 0x01, 0x00, UInt8(message.count)] + message
    }()
}
