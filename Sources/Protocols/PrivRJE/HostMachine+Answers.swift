extension PrivRJE.HostMachine {
    /// A new place at the end of the order.
    mutating func open(_ content: Slot.Content) -> Ticket {
        lastTicket += 1
        let ticket = Ticket(lastTicket)
        slots.append(Slot(ticket: ticket, content: content))
        return ticket
    }

    mutating func fill(_ ticket: Ticket, _ content: Slot.Content) {
        guard let at = slots.firstIndex(where: { $0.ticket == ticket }), case .waiting = slots[at].content else {
            return
        }
        slots[at].content = content
    }

    /// An answer that the machine itself gives.
    mutating func answer(_ line: PrivRJE.Line) {
        _ = open(.ready(line.octets))
        count(line.code)
    }

    /// The last answer of the session: after it nothing is read.
    mutating func say(last line: PrivRJE.Line, _ end: HostEnd) {
        isEnding = true
        switch block.take() {
        // a deck that is not complete is dropped whole, and with it its place
        case .deck(let ticket, _, _), .dropped(let ticket, _): slots.removeAll { $0.ticket == ticket }
        case nil: break
        }
        deck = []
        _ = open(.last(line.octets, end))
    }

    /// The batch system's answer.
    mutating func take(_ reply: PrivRJE.Reply, for ticket: Ticket) {
        guard let slot = slots.first(where: { $0.ticket == ticket }), case .waiting(let request) = slot.content else {
            return
        }
        if case .watch(.job(let job)) = request, reply.code == 200 { watchedJobs.insert(job) }
        fill(ticket, .ready(reply.octets))
        count(reply.code)
    }

    /// Too many errors end the session, after the answers that are still due.
    mutating func count(_ code: Int) {
        guard (500...503).contains(code) else { return }
        errors += 1
        if errors >= configuration.mostErrors && !isEnding { say(last: PrivRJE.Line(436, "REASON=ERRORS"), .errors) }
    }

    mutating func greet(_ takesSessions: Bool, _ actions: inout [Action]) {
        guard phase == .idle else { return }
        guard takesSessions else { return say(last: PrivRJE.Line(401, "no new sessions now"), .noSessions) }
        phase = .greeted
        var host: [UInt8] = []
        PrivRJE.append(value: configuration.name, isPositional: false, to: &host)
        let words = "\(PrivRJE.version) HOST=\(String(decoding: host, as: UTF8.self))"
        actions.append(.send(PrivRJE.Line(300, words).octets))
        actions.append(.startTimer(.logOn, configuration.logOnLimit))
    }

    mutating func fired(_ timer: Timer) {
        switch timer {
        case .logOn:
            if user == nil && !isEnding { endNow(PrivRJE.Line(430, "REASON=TIME"), .logOnTime) }
        case .idle:
            // a station that waits for us is not idle; its answer starts the timer again
            if user != nil && slots.isEmpty && !isEnding { endNow(PrivRJE.Line(436, "REASON=IDLE"), .idle) }
        }
    }

    /// Ends the session whatever is still asked.
    private mutating func endNow(_ line: PrivRJE.Line, _ end: HostEnd) {
        slots = []
        judging = nil
        say(last: line, end)
    }

    mutating func judge(_ verdict: Verdict, _ actions: inout [Action]) {
        guard let judged = judging.take() else { return }
        let (ticket, user) = (judged.ticket, judged.user)
        switch verdict {
        case .signedOn:
            phase = .signedOn(user: user)
            var line = PrivRJE.Line(230)
            line.add("USER", user)
            fill(ticket, .ready(line.octets))
            actions += [.stopTimer(.logOn), .startTimer(.idle, abilities.idle)]
        case .tooManySessions:
            slots.removeAll { $0.ticket == ticket }
            say(last: PrivRJE.Line(430, "REASON=SESSIONS"), .sessions)
        case .passwordNeeded, .refused:
            guard judged.hasPassword else {
                // an unknown user is asked for a password like any other
                phase = .password(user: user)
                return fill(ticket, .ready(PrivRJE.Line(330, "password").octets))
            }
            phase = .hello
            logOnFailures += 1
            guard logOnFailures >= configuration.mostLogOnFailures else {
                return fill(ticket, .ready(PrivRJE.Line(431, "user or password wrong").octets))
            }
            slots.removeAll { $0.ticket == ticket }
            say(last: PrivRJE.Line(430, "REASON=TRIES"), .logOnTries)
        }
    }
}
