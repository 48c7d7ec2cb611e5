extension PrivRJE.HostMachine {
    /// Reads one line, or one piece of a block.
    ///
    /// - Returns: false when there is nothing to read, or it must wait.
    mutating func readNext(_ actions: inout [Action]) -> Bool {
        guard phase != .idle, mayRead, let item = input.next() else { return false }
        switch item {
        case .line(let octets): take(octets, &actions)
        case .lineTooLong: say(last: PrivRJE.Line(500, "line longer than \(PrivRJE.longestLine) octets"), .lineTooLong)
        case .piece(let piece, let remaining): take(piece, remaining: remaining, &actions)
        }
        return true
    }

    private mutating func take(_ piece: [UInt8], remaining: Int, _ actions: inout [Action]) {
        if case .deck = block { deck.append(contentsOf: piece) }
        guard remaining == 0, let ended = block.take() else { return }
        switch ended {
        case .deck(let ticket, let parameters, let refusal):
            actions.append(.submit(ticket, parameters, refusal: refusal, block: deck))
            deck = []
        case .dropped(let ticket, let line):
            fill(ticket, .ready(line.octets))
            count(line.code)
        }
    }

    private mutating func take(_ octets: [UInt8], _ actions: inout [Action]) {
        let command: PrivRJE.CommandLine
        do {
            command = try PrivRJE.CommandLine(parsing: octets)
        } catch {
            let line = PrivRJE.Line(error.code, error.text)
            return PrivRJE.CommandLine.mayBeInput(octets) ? say(last: line, .blockUnknown) : answer(line)
        }
        guard let verb = PrivRJE.Verb(rawValue: command.verb) else { return answer(PrivRJE.Line(500, "unknown verb")) }
        if verb == .input { return takeInput(command, &actions) }
        if let text = missing(verb, command) {
            let line = PrivRJE.Line(506, text)
            return verb == .hello ? say(last: line, .unknownVersion) : answer(line)
        }
        if let text = untimely(verb) { return answer(PrivRJE.Line(504, text)) }
        do {
            try obey(verb, command, &actions)
        } catch {
            answer(PrivRJE.Line(error.code, error.text))
        }
    }

    /// What this host does not have. 506 comes before all but 500.
    private func missing(_ verb: PrivRJE.Verb, _ command: PrivRJE.CommandLine) -> String? {
        if let feature = verb.feature, !abilities.has(feature) { return "no feature \(feature.rawValue)" }
        guard let parameters = command.parameters else { return nil }
        switch verb {
        case .hello:
            guard let version = parameters.positional.first, version != PrivRJE.version else { return nil }
            return "only \(PrivRJE.version)"
        case .fetch where !abilities.has(.range):
            let hasOffset = parameters["OFFSET"].map { PrivRJE.number($0) != 0 } ?? false
            return hasOffset || parameters["COUNT"] != nil ? "no feature RANGE" : nil
        case .input where !abilities.has(.hold):
            return parameters["HOLD"]?.uppercased() == "Y" ? "no feature HOLD" : nil
        case .fetch, .input, .user, .pass, .find, .void, .status, .watch, .unwatch, .files, .purge, .cancel, .hold,
            .release, .operatorCommand, .ping, .bye:
            return nil
        }
    }

    /// What the session's state forbids now.
    private func untimely(_ verb: PrivRJE.Verb) -> String? {
        switch (verb, phase) {
        case (.ping, _), (.bye, _), (.hello, .greeted), (.user, .hello), (.user, .password), (.pass, .password): nil
        case (.hello, _): "HELLO was answered"
        case (.user, .signedOn), (.pass, .signedOn): "signed on already"
        case (.user, _): "HELLO first"
        case (.pass, _): "USER first"
        case (_, .signedOn): nil
        case (_, _): "not signed on"
        }
    }

    private mutating func obey(
        _ verb: PrivRJE.Verb, _ command: PrivRJE.CommandLine, _ actions: inout [Action]
    ) throws(PrivRJE.CommandFault) {
        switch verb {
        case .hello:
            _ = try command.positional("version")
            phase = .hello
            answer(abilities.line)
        case .user:
            authenticate(try command.positional("user")[0], password: nil, &actions)
        case .pass:
            let password = try command.positional("password")[0]
            guard case .password(let user) = phase else { return }
            authenticate(user, password: password, &actions)
        case .ping:
            _ = try command.positional()
            answer(PrivRJE.Line(200, "ok"))
        case .bye:
            _ = try command.positional()
            say(last: PrivRJE.Line(231, "bye"), .bye)
        case .watch:
            switch PrivRJE.JobSelector(try command.positional("job")[0]) {
            case .all:
                watchesAll = true
                answer(PrivRJE.Line(200, "watching"))
            case .job(let job) where watchedJobs.count >= Self.mostWatchedJobs && !watchedJobs.contains(job):
                answer(PrivRJE.Line(433, "too many jobs watched"))
            case .job(let job): perform(.watch(.job(job)), &actions)
            }
        case .unwatch:
            unwatch(try command.parameters?.positional == [] ? command.positional() : command.positional("job"))
        case .find: perform(.find(key: try command.submissionKey()), &actions)
        case .void: perform(.void(key: try command.submissionKey()), &actions)
        case .status: perform(.status(PrivRJE.JobSelector(try command.positional("job")[0])), &actions)
        case .files: perform(.files(job: try command.positional("job")[0]), &actions)
        case .fetch: perform(.fetch(try command.fetch()), &actions)
        case .purge: perform(.purge(job: try command.positional("job")[0]), &actions)
        case .cancel: perform(.cancel(job: try command.positional("job")[0]), &actions)
        case .hold: perform(.hold(job: try command.positional("job")[0]), &actions)
        case .release: perform(.release(job: try command.positional("job")[0]), &actions)
        case .operatorCommand: perform(.operatorCommand(try command.positional("text")[0]), &actions)
        case .input: break  // has its own way, for the sake of its block
        }
    }

    private mutating func authenticate(_ user: String, password: String?, _ actions: inout [Action]) {
        judging = Judging(ticket: open(.waiting(nil)), user: user, hasPassword: password != nil)
        actions.append(.authenticate(user: user, password: password))
    }

    private mutating func perform(_ request: PrivRJE.Request, _ actions: inout [Action]) {
        actions.append(.perform(open(.waiting(request)), request))
    }

    private mutating func unwatch(_ jobs: [String]) {
        let selected = jobs.first.map { PrivRJE.JobSelector($0) }
        switch selected {
        case nil:
            watchesAll = false
            watchedJobs = []
        case .all: watchesAll = false
        case .job(let job): watchedJobs.remove(job)
        }
        // a WATCH whose answer is still to come is ended as well: its slot forgets what it is for
        for at in slots.indices {
            guard case .waiting(.watch(let watched)?) = slots[at].content else { continue }
            if selected == nil || selected == watched { slots[at].content = .waiting(nil) }
        }
        answer(PrivRJE.Line(200, "ok"))
    }

    /// INPUT: whatever is wrong, its block is read first, unless its length cannot be known or is beyond MAXDECK.
    private mutating func takeInput(_ command: PrivRJE.CommandLine, _ actions: inout [Action]) {
        let octets: Int
        do {
            octets = try command.inputOctets()
        } catch {
            return say(last: PrivRJE.Line(error.code, error.text), .blockUnknown)
        }
        var fault: PrivRJE.CommandFault?
        var parameters: (input: PrivRJE.Input, refusal: PrivRJE.Refusal?)?
        if let text = missing(.input, command) {
            fault = PrivRJE.CommandFault(code: 506, text: text)
        } else if let text = untimely(.input) {
            fault = PrivRJE.CommandFault(code: 504, text: text)
        } else {
            do {
                parameters = try command.input(octets: octets, at: abilities)
            } catch {
                fault = error
            }
        }
        guard octets <= abilities.maxDeck else {
            let refusal = PrivRJE.Refusal(.tooBig, "more than \(abilities.maxDeck) octets")
            return say(last: fault.map { PrivRJE.Line($0.code, $0.text) } ?? refusal.line, .deckTooBig)
        }
        let ticket = open(.waiting(nil))
        if let (parameters, refusal) = parameters {
            block = .deck(ticket, parameters, refusal)
        } else if let fault {
            block = .dropped(ticket, PrivRJE.Line(fault.code, fault.text))
        }
        input.beginBlock(octets)
        if octets == 0 { take([], remaining: 0, &actions) }
    }
}
