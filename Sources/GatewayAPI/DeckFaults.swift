import Engine
import HTTPCore
import Jobs

/// What is wrong with decks, and what is doubtful.
struct DeckFaults: Error {
    var errors: [Problem.Item]
    var warnings: [Problem.Item]

    init(errors: [Problem.Item], warnings: [Problem.Item] = []) {
        self.errors = errors
        self.warnings = warnings
    }

    init?(_ failure: DeckIntake.Failure) {
        guard case .faults(let faults, let warnings) = failure else { return nil }
        self.init(errors: faults.map { Problem.Item($0) }, warnings: warnings.map { Problem.Item($0) })
    }

    var problem: Problem {
        let first = errors.first
        let count = errors.count == 1 ? "The deck has a fault" : "The deck has \(errors.count) faults, the first"
        let part = first?.pointer.map { " of \($0)" } ?? ""
        var problem = Problem(
            .invalidDeck,
            "\(count) in line \(first?.line ?? 1), column \(first?.column ?? 1)\(part): \(first?.detail ?? "")",
            errors: errors)
        problem.retryable = false
        return problem
    }
}

extension Problem.Item {
    init(_ fault: DeckFault, pointer: String? = nil) {
        self.init(
            pointer: pointer, line: fault.line, column: fault.column, code: fault.code.rawValue, detail: fault.detail)
    }
}
