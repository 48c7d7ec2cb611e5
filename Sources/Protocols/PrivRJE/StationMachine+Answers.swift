internal import Wire

extension PrivRJE.StationMachine {
    mutating func read(_ actions: inout [Action]) {
        while end == nil {
            lineOffset = input.consumed
            guard let item = input.next() else { return }
            switch item {
            case .piece(let piece, let remaining):
                deliver(piece, remaining: remaining, &actions)
            case .line(let octets):
                take(octets, &actions)
            case .lineTooLong:
                garbage(.lineTooLong, Array(input.peek(32)), &actions)
            }
        }
    }

    private mutating func deliver(_ piece: [UInt8], remaining: Int, _ actions: inout [Action]) {
        guard let id = open.first?.id else { return }
        note(block: piece, of: id, isSent: false)
        actions.append(.deliverBlock(id, piece, remaining: remaining))
        if remaining == 0 { closeFirst(&actions) }
    }

    private mutating func take(_ octets: [UInt8], _ actions: inout [Action]) {
        let isNotice = octets.starts(with: [0x2A, 0x20])
        note(received: octets, of: isNotice ? nil : open.first?.id)
        let line: PrivRJE.Line
        do {
            line = try PrivRJE.Line(parsing: isNotice ? Array(octets.dropFirst(2)) : octets)
        } catch {
            return garbage(.notALine(error), octets, &actions)
        }
        if isNotice {
            let change = line.hasMore ? nil : PrivRJE.JobLine(line)
            return actions.append(change.map { .jobChanged($0) } ?? .message(code: line.code, text: line.text))
        }
        lines.append(line)
        guard !line.hasMore else {
            if lines.count > Self.mostAnswerLines { garbage(.answerTooLong, octets, &actions) }
            return
        }
        let answer = lines
        lines = []
        if let end = PrivRJE.SessionEnd(line) { return finish(end, &actions) }
        takeAnswer(answer, last: line, octets, &actions)
    }

    private mutating func takeAnswer(
        _ answer: [PrivRJE.Line], last: PrivRJE.Line, _ octets: [UInt8], _ actions: inout [Action]
    ) {
        switch (phase, last.code) {
        case (.greeting, 300):
            let version = last.words.split(separator: " ").first.map(String.init) ?? ""
            // the greeting's text begins with a word, so it has no pairs
            guard version == PrivRJE.version else { return finish(.unknownVersion(version), &actions) }
            phase = .hello
            send("HELLO", [PrivRJE.version], pairs: [("AGENT", configuration.agent)], &actions)
        case (.hello, 200):
            guard let abilities = PrivRJE.Abilities(last) else {
                return garbage(.unexpected(code: 200), octets, &actions)
            }
            hostAbilities = abilities
            phase = .user
            send("USER", [configuration.user], &actions)
        case (.hello, 506):
            finish(.unknownVersion(last.text), &actions)
        case (.user, 330):
            guard let password = configuration.password else { return finish(.passwordNeeded, &actions) }
            phase = .password
            send("PASS", [password], &actions)
        case (.user, 230), (.password, 230):
            phase = .ready
            actions.append(.signedOn(hostAbilities))
            sendWaiting(&actions)
        case (.user, 431), (.password, 431):
            finish(.refused(last.text), &actions)
        case (.ready, _):
            settle(answer, last: last, octets, &actions)
        case (.greeting, _), (.hello, _), (.user, _), (.password, _):
            garbage(.unexpected(code: last.code), octets, &actions)
        case (.idle, _), (.over, _):
            garbage(.unasked(code: last.code), octets, &actions)
        }
    }

    /// The answer to the oldest request.
    private mutating func settle(
        _ answer: [PrivRJE.Line], last: PrivRJE.Line, _ octets: [UInt8], _ actions: inout [Action]
    ) {
        guard let first = open.first else { return garbage(.unasked(code: last.code), octets, &actions) }
        // a block that is not all sent cannot have been answered, unless the host gave it up and closes now
        if let deck, deck.id == first.id, last.code != 461, !(500...502).contains(last.code) {
            return garbage(.unexpected(code: last.code), octets, &actions)
        }
        guard let outcome = PrivRJE.outcome(of: answer, to: first.request) else {
            return garbage(.unexpected(code: last.code), octets, &actions)
        }
        if let id = first.id { actions.append(.deliver(id, outcome)) }
        if case .block(let header) = outcome, header.octets > 0 {
            input.beginBlock(header.octets)
        } else if first.request == .bye {
            open.removeFirst()
            finish(.bye, &actions)
        } else {
            closeFirst(&actions)
        }
    }

    private mutating func closeFirst(_ actions: inout [Action]) {
        let first = open.removeFirst()
        if let deck, deck.id == first.id {
            // refused before the block was through: what is left of it must still go out, or the line be cut.
            // 461 TOOBIG and 500 to 502 close the host's side, so the line is cut.
            self.deck = nil
            return finish(.lineClosed, &actions)
        }
        sendWaiting(&actions)
    }

    private mutating func send(
        _ verb: String, _ positional: [String], pairs: [(key: String, value: String?)] = [], _ actions: inout [Action]
    ) {
        do {
            let line = try PrivRJE.commandLine(verb, positional, pairs: pairs)
            note(sent: line, of: nil, shown: verb == "PASS" ? Array("PASS ***".utf8) : nil)
            actions.append(.send(line))
        } catch {
            finish(.unsayable(error), &actions)
        }
    }

    private mutating func garbage(
        _ reason: PrivRJE.Garbage.Reason, _ octets: [UInt8], _ actions: inout [Action]
    ) {
        let excerpt = Hex.excerpt(octets, limit: 32)
        finish(.garbage(PrivRJE.Garbage(reason: reason, offset: lineOffset, excerpt: excerpt)), &actions)
    }
}
