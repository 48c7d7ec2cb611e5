import Wire

extension RFC407.HostMachine {
    mutating func obey(_ item: NVTLines.Item, _ actions: inout [Action]) {
        let command: RFC407.Command
        switch item {
        case .tooLong: return say(RFC407.Reply(501, "The line is too long"), &actions)
        case .line(let octets):
            do throws(RFC407.Complaint) {
                command = try RFC407.Command(parsing: octets)
            } catch {
                return say(RFC407.Reply(error), &actions)
            }
        }
        if nextUser != nil {
            if case .pass(let password) = command, let user = nextUser {
                return authenticate(user, password, &actions)
            }
            // as in the state before USER, and in that state
            nextUser = nil
            showTyping(&actions)
        }
        if isLeaving {
            guard case .user = command else {
                return say(RFC407.Reply(504, "You are leaving: only USER is possible"), &actions)
            }
        }
        if session == nil { obeyGreeted(command, &actions) } else { obeyReady(command, &actions) }
    }

    private mutating func obeyGreeted(_ command: RFC407.Command, _ actions: inout [Action]) {
        switch command {
        case .user(let user): authenticate(user, nil, &actions)
        case .bye: finish(RFC407.Reply(231, "Bye"), .bye, &actions)
        case .status(nil, nil): say(RFC407.Reply(100, "\(configuration.greeting); log on for more"), &actions)
        default: say(RFC407.Reply(504, "Log on first: USER"), &actions)
        }
    }

    private mutating func obeyReady(_ command: RFC407.Command, _ actions: inout [Action]) {
        guard let user = session?.user else { return }
        if let file = command.destination, let complaint = complaint(file) {
            return say(complaint, &actions)
        }
        let okay = RFC407.Reply(200, "OK")
        switch command {
        case .reinit:
            stopInput(&actions)
            session = nil
            isLeaving = false
            failures = 0
            say(RFC407.Reply(204, "As new"), &actions)
            actions += [.stopTimer(.idle), .startTimer(.logOn, configuration.logOnLimit)]
        case .user(let next):
            if input != .none, !isLeaving {
                say(RFC407.Reply(504, "Not while an input is read"), &actions)
            } else {
                authenticate(next, nil, &actions)
            }
        case .pass: say(RFC407.Reply(230, "\(user) is on"), &actions)
        case .bye:
            if input == .none {
                finish(RFC407.Reply(231, "Bye"), .bye, &actions)
            } else {
                isLeaving = true
                say(RFC407.Reply(232, "After the input"), &actions)
            }
        case .inID(let text): set(\.inUser, text, okay, &actions)
        case .inPass(let text): set(\.inPassword, text, okay, &actions)
        case .outUser(let text): set(\.outUser, text, okay, &actions)
        case .outPass(let text): set(\.outPassword, text, okay, &actions)
        case .op(let text): set(\.operatorText, text, okay, &actions)
        case .out(let file, let disposition):
            session?.settings.outputs[RFC407.canonicalFile(file)] = .init(disposition)
            say(okay, &actions)
        case .inPath(let file):
            session?.inPath = file
            say(okay, &actions)
        case .input(let file): beginInput(file, user, &actions)
        case .abortInput:
            let isRunning = if case .closing = input { false } else { input != .none }
            if isRunning { stopInput(&actions) }
            say(isRunning ? RFC407.Reply(201, "Input aborted") : RFC407.Reply(202, "Nothing to abort"), &actions)
        case .change, .transmission, .status, .cancel, .alter:
            wait()
            actions.append(.perform(command, user: user))
        }
    }

    private mutating func set(
        _ path: WritableKeyPath<RFC407.JobSettings, String?>, _ text: String?, _ okay: RFC407.Reply,
        _ actions: inout [Action]
    ) {
        session?.settings[keyPath: path] = text
        say(okay, &actions)
    }

    private mutating func beginInput(_ file: RFC407.FileID?, _ user: String, _ actions: inout [Action]) {
        guard input == .none else { return say(RFC407.Reply(504, "An input is being read"), &actions) }
        if let file { session?.inPath = file }
        guard let session, let source = session.inPath else {
            return say(RFC407.Reply(360, "No input path given"), &actions)
        }
        lastInput += 1
        input = .opening(lastInput)
        actions.append(.beginInput(lastInput, source, session.settings, user: user))
    }

    private func complaint(_ file: RFC407.FileID) -> RFC407.Reply? {
        let host: RFC407.HostField?
        switch file {
        case .socket(let field, port: _, _): host = field
        case .path(let field, _, pathname: _):
            host = field
            if !configuration.hasFTP { return RFC407.Reply(506, "No FTP here: name a socket") }
        }
        if case .number(let number)? = host, number < 256, !configuration.hostNumbers.contains(number) {
            return RFC407.Reply(501, "Host \(number) is not known here")
        }
        return nil
    }
}

extension RFC407.Command {
    /// The file that the command names, and to which a connection may be made.
    fileprivate var destination: RFC407.FileID? {
        switch self {
        case .inPath(let file), .input(let file?), .out(file: _, .send(let file, keeps: _)),
            .change(job: _, file: _, .send(let file, keeps: _)), .transmission(_, count: _, .place(let file)):
            file
        default: nil
        }
    }
}
