extension PrivRJE {
    /// What a host answered to a request.
    package enum Outcome: Equatable, Sendable {
        /// INPUT, FIND, and VOID when a job has the key (260): the host has the job on stable storage.
        case accepted(Receipt)
        /// INPUT (461): the deck is refused, the key unbound.
        case refused(Refusal)
        /// INPUT (462): no jobs now, try later.
        case notTakingJobs(String)
        /// VOID (262): no job has the key, and none will.
        case voided
        /// STATUS: one job, or the list with `hasMore` when the host left some out.
        case jobs([JobLine], hasMore: Bool)
        /// FILES.
        case files([FileLine])
        /// FETCH (264): `octets` octets follow as pieces of a block; none when it is 0.
        case block(BlockHeader)
        /// PURGE and CANCEL (262), HOLD and RELEASE (263): done, with the state when the host told it.
        case changed(JobState?)
        /// OPERATOR: the host's lines.
        case operatorAnswer([String])
        /// WATCH, UNWATCH, PING, BYE.
        case done
        /// 464: not there, or not the user's. For FIND and VOID: no job has this key.
        case notFound(String)
        /// 433, 465 and 500 to 506: not done.
        case failed(code: Int, text: String)
        /// Never sent: the request cannot be put into a command.
        case notSent(RequestFault)
    }

    /// Reads the lines of a complete answer as the answer to `request`.
    ///
    /// - Returns: nil when the host may not answer this request so.
    static func outcome(of lines: [Line], to request: Request) -> Outcome? {
        guard let last = lines.last else { return nil }
        switch last.code {
        case 433, 465, 500...506: return .failed(code: last.code, text: last.text)
        case 464: return .notFound(last.text)
        default: break
        }
        switch (request, last.code) {
        case (.input, 260), (.find, 260), (.void, 260): return Receipt(last).map { .accepted($0) }
        case (.input, 461): return Refusal(last).map { .refused($0) }
        case (.input, 462): return .notTakingJobs(last.text)
        case (.void, 262): return .voided
        case (.status(.job(let job)), 161), (.status(.job(let job)), 261), (.status(.job(let job)), 463):
            guard let line = JobLine(last), line.job == job else { return nil }
            return .jobs([line], hasMore: false)
        case (.status(.all), 200):
            guard let jobs = list(lines, JobLine.init) else { return nil }
            return .jobs(jobs, hasMore: last.isYes("MORE"))
        case (.files, 200): return list(lines, FileLine.init).map { .files($0) }
        case (.fetch(let fetch), 264):
            guard let header = BlockHeader(last), header.answers(fetch) else { return nil }
            return .block(header)
        case (.purge, 262), (.cancel, 262), (.hold, 263), (.release, 263):
            return .changed(last["STATE"].flatMap { JobState(rawValue: $0.uppercased()) })
        case (.operatorCommand, 200): return .operatorAnswer(lines.dropLast().map(\.text))
        case (.watch, 200), (.unwatch, 200), (.ping, 200), (.bye, 231): return .done
        case (.input, _), (.find, _), (.void, _), (.status, _), (.watch, _), (.unwatch, _), (.files, _), (.fetch, _),
            (.purge, _), (.cancel, _), (.hold, _), (.release, _), (.operatorCommand, _), (.ping, _), (.bye, _):
            return nil
        }
    }

    /// The lines before the last, as many as its COUNT says when it says so.
    private static func list<Element>(_ lines: [Line], _ read: (Line) -> Element?) -> [Element]? {
        let elements = lines.dropLast().compactMap(read)
        guard elements.count == lines.count - 1, lines.last?.number("COUNT") ?? elements.count == elements.count else {
            return nil
        }
        return elements
    }
}
