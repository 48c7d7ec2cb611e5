import Jobs
import Synchronization

extension BatchSystem {
    /// What a user may say to the operator's console.
    package enum Authority: Sendable {
        /// Own jobs, and to look at the initiators.
        case own
        /// The same, and to drain and start initiators.
        case ownAndInitiators
        /// Everything, and everybody's jobs.
        case all
    }

    /// `$D` the queue, `$D I` the initiators, `$P [In]` drain and `$S [In]` start them, `$C job` cancel, in the manner
    /// of JES2.
    ///
    /// - Returns: the lines to show; nil when this user may not.
    package func operate(_ command: String, by user: String, authority: Authority) -> [String]? {
        let words = command.uppercased().split { $0 == " " || $0 == "," }.map(String.init)
        guard let first = words.first else { return ["$HASP650 INVALID OPERAND OR MISPLACED OPERAND"] }
        // `$DI` and `$CJ00042` are written together by old hands
        let verb = String(first.prefix(2))
        let operand = first.count > 2 ? String(first.dropFirst(2)) : words.dropFirst().first
        switch (verb, operand) {
        case ("$D", nil), ("$D", "Q"), ("$D", "N"): return displayQueue(user: authority == .all ? nil : user)
        case ("$D", "I"): return state.withLock { displayInitiators(&$0) }
        case ("$P", _), ("$S", _):
            guard authority != .own else { return nil }
            return drain(verb == "$P", operand)
        case ("$C", let job?): return cancel(job, user, authority)
        default: return ["$HASP649 \(first.prefix(20)) INVALID COMMAND"]
        }
    }

    private func displayQueue(user: String?) -> [String] {
        state.withLock { state in
            let jobs = state.jobs.values.filter { !$0.isEndVisible && (user == nil || $0.user == user) }
                .sorted { $0.serial < $1.serial }
            let lines = jobs.prefix(100).map { job in
                let word =
                    switch job.state {
                    case .held: "AWAITING EXECUTION \(job.jobClass) HELD"
                    case .queued: "AWAITING EXECUTION \(job.jobClass)"
                    case .running: "EXECUTING"
                    case .done, .failed: "AWAITING OUTPUT"
                    }
                return "\(job.number) \(left(job.name, 8)) \(word) PRIO \(job.priority)"
            }
            return lines + ["$HASP890 \(jobs.count) JOBS NOT ENDED, \(state.jobs.count - jobs.count) OTHERS"]
        }
    }

    private func displayInitiators(_ state: inout BatchState) -> [String] {
        state.initiators.enumerated().map { index, initiator in
            let status = initiator.running.map { "ACTIVE \($0)" } ?? (initiator.isDrained ? "DRAINED" : "INACTIVE")
            let drains = initiator.running != nil && initiator.isDrained ? " DRAINING" : ""
            return
                "INIT \(left(String(index + 1), 3)) \(status)\(drains) C=\(initiator.classes.map(\.description).joined())"
        }
    }

    private func drain(_ drains: Bool, _ operand: String?) -> [String] {
        state.withLock { state in
            var chosen = Array(state.initiators.indices)
            if let operand, operand != "I" {
                guard let number = Int(operand.drop { $0 == "I" }), state.initiators.indices.contains(number - 1) else {
                    return ["$HASP650 \(operand.prefix(20)) INVALID OPERAND OR MISPLACED OPERAND"]
                }
                chosen = [number - 1]
            }
            for at in chosen { state.initiators[at].isDrained = drains }
            if !drains { wake(&state) }
            return displayInitiators(&state)
        }
    }

    private func cancel(_ job: String, _ user: String, _ authority: Authority) -> [String] {
        var owner = user
        if authority == .all, let number = HostJobNumber(job) {
            owner = state.withLock { state in state.serials[number].flatMap { state.jobs[$0]?.user } } ?? user
        }
        do throws(JobFault) {
            let pending = try cancel(job, of: owner)
            return ["\(job) \(pending.answer == .running ? "EXECUTING, CANCEL REQUESTED" : "CANCELLED")"]
        } catch {
            return ["$HASP003 \(job.prefix(20)) NO SELECTABLE ENTRIES FOUND MATCHING SPECIFICATION"]
        }
    }
}
