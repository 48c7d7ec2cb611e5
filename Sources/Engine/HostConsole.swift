package import Jobs
import Stations
import Stores
import Synchronization

/// What was said at the operator's console of a host since the gateway began: the host's own messages, commands and their
/// answers. The oldest are forgotten; messages stay in the event log (`host.message`).
package final class HostConsole: Sendable {
    package struct Line: Equatable, Sendable {
        package enum Kind: String, Sendable {
            /// By the host, unasked.
            case message
            /// By somebody here.
            case command
            /// By the host, to a command.
            case answer
        }

        /// From 1; without gaps but for those that are forgotten.
        package let number: Int
        package let at: Timestamp
        package let kind: Kind
        package let text: String
        /// Who gave the command.
        package let actor: String?
    }

    package static let mostLines = 1000

    private struct State {
        var lines: [Line] = []
        var last = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// The last ones after a number, at most so many.
    package func lines(after: Int = 0, limit: Int = mostLines) -> [Line] {
        state.withLock { state in Array(state.lines.suffix { $0.number > after }.suffix(limit)) }
    }

    package func hear(_ words: String, at time: Timestamp) { add([(.message, words, nil)], at: time) }

    package func note(_ command: String, by actor: String, answers: [String], at time: Timestamp) {
        add([(.command, command, actor)] + answers.map { (.answer, $0, nil) }, at: time)
    }

    private func add(_ said: [(Line.Kind, String, String?)], at time: Timestamp) {
        state.withLock { state in
            for (kind, text, actor) in said {
                state.last += 1
                state.lines.append(Line(number: state.last, at: time, kind: kind, text: text, actor: actor))
            }
            if state.lines.count > Self.mostLines + 100 { state.lines.removeFirst(state.lines.count - Self.mostLines) }
        }
    }
}

extension Array where Element == HostConsole.Line {
    /// The lines from the end on that all pass.
    fileprivate func suffix(while passes: (Element) -> Bool) -> ArraySlice<Element> {
        let end = lastIndex { !passes($0) }.map { $0 + 1 } ?? startIndex
        return self[end...]
    }
}

extension JobDesk {
    /// Gives a command to the operator's console of a host. The audit log has it before the host does.
    ///
    /// - Returns: the lines that the host answered.
    /// - Throws: `DeskError` when the host cannot, will not or does not answer; `StoreError`.
    package func operate(_ command: String, _ host: HostProfile, by principal: Principal) async throws -> [String] {
        try need(.operatorCommands, "operatorCommands", host.id)
        try await store.record(
            AuditEntry(
                at: clock.now(), by: principal, action: "host.command", subject: host.id.description, detail: command))
        let answers = try await ask(host, for: principal.owner) { station throws(StationError) in
            try await station.operate(command)
        }
        host.console.note(command, by: principal.name, answers: answers, at: clock.now())
        return answers
    }
}
