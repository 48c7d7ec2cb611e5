extension RFC407.StationMachine {
    mutating func take(_ octets: [UInt8], _ actions: inout [Action]) {
        switch RFC407.ReplyLine(parsing: octets) {
        case .numbered(let code, let text):
            endText(&actions)
            guard end == nil else { return }
            take(RFC407.Reply(code, text), &actions)
        case .continuation(let line):
            guard var gathering = text else { return }
            if gathering.reply.more.count < Self.mostLines { gathering.reply.more.append(line) }
            text = gathering
            actions.append(.startTimer(.text, configuration.textPause))
        case .other(let line):
            // the first line of something that is no RJE host is no greeting
            if phase == .greeting, !line.isEmpty {
                finish(.garbage("it begins with \"\(line.prefix(60))\""), &actions)
            } else if !line.isEmpty {
                actions.append(.message(RFC407.Reply(0, line)))
            }
        }
    }

    /// What was gathered is complete.
    mutating func endText(_ actions: inout [Action]) {
        guard let (reply, use) = text else { return }
        text = nil
        actions.append(.stopTimer(.text))
        switch use {
        case .answer(let id): actions.append(.answer(id, reply))
        case .accepted: accept(reply, &actions)
        case .message: actions.append(.message(reply))
        }
    }

    private mutating func gather(_ reply: RFC407.Reply, _ use: TextUse, _ actions: inout [Action]) {
        text = (reply, use)
        actions.append(.startTimer(.text, configuration.textPause))
    }

    private mutating func take(_ reply: RFC407.Reply, _ actions: inout [Action]) {
        switch reply.code {
        case 0..<100, 301: return gather(reply, .message, &actions)
        case 300 where phase != .greeting: return gather(reply, .message, &actions)
        case 434...436:
            lastWords = reply
            return actions.append(.message(reply))
        case 401, 430:
            if phase != .ready {
                return finish(reply.code == 401 ? .unwilling(reply) : .refused(reply), &actions)
            }
            lastWords = reply
            return actions.append(.message(reply))
        default: break
        }
        switch phase {
        case .idle, .over: break
        case .greeting, .user, .password: logOn(reply, &actions)
        case .ready: ready(reply, &actions)
        }
    }

    // MARK: log-on

    private mutating func logOn(_ reply: RFC407.Reply, _ actions: inout [Action]) {
        switch (phase, reply.code) {
        case (.greeting, 300):
            phase = .user
            say(.user(configuration.user), &actions)
        case (.user, 330):
            guard let password = configuration.password else { return finish(.passwordNeeded, &actions) }
            phase = .password
            say(.pass(password), &actions)
        case (.user, 230), (.password, 230):
            phase = .ready
            actions += [.stopTimer(.answer), .signedOn]
            if let pause = configuration.keepAlive { actions.append(.startTimer(.keepAlive, pause)) }
        case (.user, 431...432), (.password, 431...432): finish(.refused(reply), &actions)
        case (.greeting, _): finish(.garbage("it greets with \(reply.code)"), &actions)
        case (_, 100..<300): break  // news of jobs that an earlier session left
        default: finish(.garbage("log-on was answered \(reply.code) \(reply.text.prefix(60))"), &actions)
        }
    }

    private mutating func say(_ command: RFC407.Command, _ actions: inout [Action]) {
        if command.isSayable { send(command, &actions) } else { finish(.unsayable, &actions) }
    }

    // MARK: the order of section 8.6

    private mutating func ready(_ reply: RFC407.Reply, _ actions: inout [Action]) {
        let isAborting = open?.command == .abortInput && (200...202).contains(reply.code)
        let isFirstOfInput =
            input?.isFirst == true && (open?.isInput == true || open?.command == .abortInput && !isAborting)
        switch reply.code {
        case 507...512, 443...445, 462, 463, 466, 261: news(reply, &actions)
        case 262:
            if case .cancel? = open?.command { answer(reply, &actions) } else { news(reply, &actions) }
        case 240, 260, 440...442, 460, 461:
            guard input != nil else { return news(reply, &actions) }
            if isFirstOfInput, open?.isInput == true { answered(&actions) }
            ofInput(reply, &actions)
        default:
            if isFirstOfInput, let id = input?.id {
                if open?.isInput == true { answered(&actions) }
                input = nil
                actions.append(.inputFailed(id, reply))
            } else {
                answer(reply, &actions)
                if isAborting, reply.code == 201, let id = input?.id {
                    input = nil
                    actions.append(.inputFailed(id, reply))
                }
            }
        }
    }

    private mutating func ofInput(_ reply: RFC407.Reply, _ actions: inout [Action]) {
        guard let id = input?.id else { return }
        switch reply.code {
        case 240:
            guard input?.hasBegun == false else { return news(reply, &actions) }
            input?.hasBegun = true
            actions.append(.inputBegan(id))
            endInput(&actions)
        case 260:
            guard input?.hasJob == false else { return news(reply, &actions) }
            input?.hasJob = true
            // the form of R1 says it all in one line; any other may go on, and begin with the name of an older job
            if reply.text.hasPrefix("Job ") && reply.text.hasSuffix(" accepted") {
                accept(reply, &actions)
            } else {
                gather(reply, .accepted, &actions)
            }
        default:
            input = nil
            actions.append(.inputFailed(id, reply))
        }
    }

    private mutating func accept(_ reply: RFC407.Reply, _ actions: inout [Action]) {
        guard let id = input?.id else { return }
        actions.append(.inputAccepted(id, job: RFC407.acceptedJob(in: reply.wholeText), reply))
        endInput(&actions)
    }

    private mutating func endInput(_ actions: inout [Action]) {
        guard let input, input.hasBegun, input.hasJob, text?.use != .accepted else { return }
        self.input = nil
        actions.append(.inputDone(input.id))
    }

    private mutating func news(_ reply: RFC407.Reply, _ actions: inout [Action]) {
        actions.append(.news(job: RFC407.job(in: reply.text), reply))
    }

    private mutating func answer(_ reply: RFC407.Reply, _ actions: inout [Action]) {
        guard let open else { return gather(reply, .message, &actions) }
        // 232: the input runs still; 231 and the end follow
        if open.command == .bye, reply.code == 232 { return actions.append(.message(reply)) }
        answered(&actions)
        guard let id = open.id else { return }
        if open.command == .bye {
            actions.append(.answer(id, reply))
            if reply.code == 231 { finish(.bye, &actions) }
        } else if open.wholeText {
            gather(reply, .answer(id), &actions)
        } else {
            actions.append(.answer(id, reply))
        }
    }
}
