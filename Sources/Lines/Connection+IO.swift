import CSystem
import Glibc

extension Connection {
    /// Puts the socket under the loop's eyes and starts whatever comes first: connect, handshake, reading.
    func begin(handler: any ConnectionHandler, phaseLimit: Duration?) {
        self.handler = handler
        if let phaseLimit { phaseAt = loop.now + phaseLimit.nanosecondsClamped }
        do {
            interest = phase == .connecting ? .writable : .readable
            try loop.register(descriptor: descriptor, interest: interest, handler: self)
            isRegistered = true
        } catch {
            end(.failed(error))
            return
        }
        armTimer()
        switch phase {
        case .open: handler.connected()
        case .handshaking: serviceLater()
        default: break
        }
    }

    func serviceLater() {
        guard !isQueuedForFlush, phase != .closed else { return }
        isQueuedForFlush = true
        loop.flushLater(self)
    }

    /// At the end of a pass: output, and with TLS input that was held back.
    func service() {
        isQueuedForFlush = false
        guard phase != .closed, phase != .connecting else { return }
        isServicing = true
        defer { isServicing = false }
        if tls != nil, wantsRead { pumpTLS() }
        if !isBlocked { flush() }
        updateInterest()
    }

    package func ready(_ readiness: Readiness) {
        isServicing = true
        defer { isServicing = false }
        if phase == .connecting {
            finishConnecting()
        } else {
            if !wantsRead, !readiness.isDisjoint(with: .failed) {
                hungUp()
            } else {
                if wantsRead, !readiness.isDisjoint(with: [.readable, .failed]) { readInput() }
                if readiness.contains(.writable) { isBlocked = false }
            }
        }
        guard phase != .closed, phase != .connecting else { return }
        if !isBlocked { flush() }
        updateInterest()
    }

    var wantsRead: Bool {
        switch phase {
        case .open, .handshaking, .lingering: !isPaused && !peerHasFinished
        case .connecting, .flushing, .closed: false
        }
    }

    func updateInterest() {
        guard phase != .closed else { return }
        var wanted: Readiness = wantsRead ? .readable : []
        if isBlocked { wanted.insert(.writable) }
        if !isRegistered {
            // Hung up on both sides while nobody wanted to read: epoll would report that for ever.
            guard !wanted.isEmpty else { return }
            do {
                try loop.register(descriptor: descriptor, interest: wanted, handler: self)
                isRegistered = true
                interest = wanted
            } catch {
                end(.failed(error))
            }
        } else if wanted != interest {
            interest = wanted
            loop.modify(descriptor: descriptor, interest: wanted)
        }
    }

    // MARK: connecting

    private func finishConnecting() {
        let failure = socketError()
        guard failure == 0 else {
            end(.failed(LineError(errno: failure)))
            return
        }
        if tls == nil {
            phase = .open
            phaseAt = .max
            handler?.connected()
        } else {
            phase = .handshaking
            phaseAt = min(phaseAt, loop.now + Connection.handshakeLimit.nanosecondsClamped)
            armTimer()
            pumpTLS()
        }
    }

    private func socketError() -> CInt {
        var failure: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &length) == 0 else { return errno }
        return failure
    }

    private func hungUp() {
        let failure = socketError()
        if failure != 0 {
            end(phase == .flushing || phase == .lingering ? .local : .failed(LineError(errno: failure)))
        } else if phase == .flushing && bufferedBytes == 0 {
            end(.local)
        } else if isRegistered {
            loop.unregister(descriptor: descriptor)
            isRegistered = false
        }
    }

    // MARK: input

    private func readInput() {
        // What was held back while reading was paused comes before what the socket has, above all before its end.
        if tls != nil { pumpTLS() }
        let scratch = loop.scratch
        var rounds = 0
        while rounds < 4, wantsRead {
            rounds += 1
            let count = recv(descriptor, scratch.baseAddress, scratch.count, 0)
            if count > 0 {
                let bytes = UnsafeRawBufferPointer(rebasing: scratch[..<count])
                if let tls {
                    guard tls.feed(bytes) else {
                        failTLS("out of memory")
                        return
                    }
                    pumpTLS()
                } else {
                    deliver(bytes)
                }
                if count < scratch.count { return }
            } else if count == 0 {
                inputEnded()
                return
            } else {
                let number = errno
                if number == EINTR { continue }
                if number != EAGAIN {
                    end(phase == .lingering ? .local : .failed(LineError(errno: number)))
                }
                return
            }
        }
    }

    private func deliver(_ bytes: UnsafeRawBufferPointer) {
        switch phase {
        case .open: handler?.received(bytes)
        case .lingering:
            lingerBytes -= bytes.count
            if lingerBytes <= 0 { end(.local) }
        case .connecting, .handshaking, .flushing, .closed: break
        }
    }

    private func inputEnded() {
        if tls != nil {
            switch phase {
            case .handshaking: end(.failed(.tls("the peer hung up during the handshake")))
            case .lingering, .flushing: end(.local)
            default: end(.failed(.tls("the peer hung up without a TLS close: what came may be cut short")))
            }
            return
        }
        peerFinishedSending()
    }

    private func peerFinishedSending() {
        guard !peerHasFinished else { return }
        peerHasFinished = true
        switch phase {
        case .lingering:
            if bufferedBytes == 0, hasFinishedSending { end(.local) } else { phase = .flushing }
        case .open where hasFinishedSending: end(.finished)
        case .open: handler?.peerFinished()
        case .connecting, .handshaking, .flushing, .closed: break
        }
    }

    // MARK: TLS input

    /// Hands libssl's input on: handshake first, then plain text as long as somebody wants it.
    private func pumpTLS() {
        guard let tls else { return }
        if phase == .handshaking {
            switch tls.handshake() {
            case .needsMore: return
            case .failed(let text):
                failTLS(text)
                return
            case .done:
                phase = .open
                phaseAt = .max
                handler?.connected()
            }
        }
        let plain = loop.tlsScratch
        while wantsRead {
            switch tls.read(into: plain) {
            case .bytes(let count): deliver(UnsafeRawBufferPointer(rebasing: plain[..<count]))
            case .needsMore: return
            case .finished:
                peerFinishedSending()
                return
            case .failed(let text):
                failTLS(text)
                return
            }
        }
    }

    private func failTLS(_ text: String) {
        // The alert that tells the peer why is worth one try.
        if let tls {
            tls.takeOutput(into: &output)
            if !isBlocked { _ = output.send(to: descriptor) }
        }
        end(phase == .lingering || phase == .flushing ? .local : .failed(.tls(text)))
    }

    // MARK: output

    func flush() {
        var rounds = 0
        while phase != .closed {
            if let tls, tls.hasOutput || !tls.plain.isEmpty || finishWanted || tls.closesAfterPlain {
                if finishWanted { tls.closesAfterPlain = true }
                if let failure = tls.produce(into: &output) {
                    failTLS(failure)
                    return
                }
            }
            if output.isEmpty { break }
            if rounds == 16 {
                // A fast reader of a long queue: the other connections come first.
                isBlocked = true
                break
            }
            rounds += 1
            switch output.send(to: descriptor) {
            case .bytes(_, let all):
                isBlocked = !all
                stallAt = bufferedBytes == 0 ? .max : loop.now + stallNanoseconds
                if !all { break }
                continue
            case .blocked:
                isBlocked = true
                if stallAt == .max { stallAt = loop.now + stallNanoseconds }
            case .failed(let number):
                end(phase == .open ? .failed(LineError(errno: number)) : .local)
                return
            }
            break
        }
        if stallAt != .max { armTimer() }
        afterFlush()
    }

    private func afterFlush() {
        if bufferedBytes == 0, tls?.hasOutput != true, phase != .handshaking,
            phase == .flushing || tls?.owesGoodbye != true
        {
            isBlocked = false
            stallAt = .max
            if phase == .flushing {
                end(.local)
                return
            }
            if finishWanted, !hasFinishedSending {
                hasFinishedSending = true
                _ = Glibc.shutdown(descriptor, Int32(SHUT_WR))
                if peerHasFinished {
                    end(phase == .lingering ? .local : .finished)
                    return
                }
            }
        }
        guard phase == .open else { return }
        if isCongested, bufferedBytes <= lowWatermark {
            isCongested = false
            handler?.drained()
        }
        if wantsSentNotice, bufferedBytes == 0, phase == .open {
            wantsSentNotice = false
            handler?.sent()
        }
        // The handler may have gone on.
        if phase != .closed, !isBlocked,
            bufferedBytes > 0 || finishWanted != hasFinishedSending || phase != .open || wantsSentNotice
        {
            serviceLater()
        }
    }

    // MARK: timer

    func armTimer() {
        let next = min(deadlineAt, stallAt, phaseAt)
        // Armed for an earlier time is fine: it fires, sees that nothing is due, and arms itself again.
        guard next != .max, !isArmed || next < due, phase != .closed else { return }
        loop.arm(self, at: next)
    }

    func timePassed() {
        let now = loop.now
        if phaseAt <= now {
            phaseAt = .max
            end(phase == .lingering ? .local : .failed(.deadline))
            return
        }
        if stallAt <= now {
            setOption(SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0))
            end(phase == .open ? .failed(.deadline) : .local)
            return
        }
        if deadlineAt <= now {
            deadlineAt = .max
            handler?.deadlinePassed()
        }
        armTimer()
    }
}
