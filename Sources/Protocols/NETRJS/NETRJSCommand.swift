extension NETRJS {
    /// What a terminal's operator says. RFC 740 names the commands; their operands are ours where no transcript shows them.
    package enum Command: Equatable, Sendable {
        case signOn(terminal: String, password: String?)
        case signOff
        case status(Status)
        case alert
        case message(to: String, text: String)
        case setDestination(String)
        /// Output of jobs entered from now on.
        case setDeferred(Bool)
        /// Active to deferred.
        case `defer`([String])
        /// Deferred to active, from about a page before where it stopped; nil: all jobs.
        case reset([String]?)
        case route(job: String, to: String)
        case abort(job: String)
        case backspace(Device)
        case cancel(Target, wholeJob: Bool)
        case restart(Target, wholeJob: Bool)
        case `repeat`(job: String, copies: Int)
        /// Cards read are echoed to the device.
        case echo(Device)
        /// No command, or operands that cannot be read.
        case unknown

        package enum Status: Equatable, Sendable { case jobs, system, lines }
        package enum Target: Equatable, Sendable {
            case device(Device)
            case job(String)
        }

        /// The verb may be shortened where RFC 740 shows it so.
        package init(_ line: String) {
            let trimmed = line.drop { $0 == " " }
            let verb = trimmed.prefix { $0 != " " }.uppercased()
            let rest = String(trimmed.drop { $0 != " " }.drop { $0 == " " })
            let operands = rest.uppercased().split(separator: ",", omittingEmptySubsequences: false).map {
                String($0.filter { $0 != " " })
            }
            let first = operands.first ?? ""
            let second = operands.count == 2 ? operands[1] : nil
            self = Self.read(verb, rest: rest, operands: operands, first: first, second: second) ?? .unknown
        }

        private static func read(
            _ verb: String, rest: String, operands: [String], first: String, second: String?
        ) -> Command? {
            switch verb {
            case "SIGNON":
                let parts = rest.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
                guard NETRJS.isName(first) else { return nil }
                return .signOn(terminal: first, password: parts.count == 2 ? String(parts[1]) : nil)
            case "SIGNOFF": return first.isEmpty ? .signOff : nil
            case "STATUS":
                switch first {
                case "JOB", "JOBS", "J": return .status(.jobs)
                case "SYSTEM", "SYS": return .status(.system)
                case "LINES": return .status(.lines)
                default: return nil
                }
            case "ALERT": return first.isEmpty ? .alert : nil
            case "MSG":
                let parts = rest.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
                return parts.count == 2 && !first.isEmpty ? .message(to: first, text: String(parts[1])) : nil
            case "SET":
                if first == "DEFER" { return .setDeferred(true) }
                if first == "ACTIVE" { return .setDeferred(false) }
                guard first.hasPrefix("DEST="), NETRJS.isName(first.dropFirst(5)) else { return nil }
                return .setDestination(String(first.dropFirst(5)))
            case "DEFER": return operands.allSatisfy { NETRJS.isName($0) } ? .defer(operands) : nil
            case "RESET":
                if operands == ["*"] { return .reset(nil) }
                return operands.allSatisfy { NETRJS.isName($0) } ? .reset(operands) : nil
            case "ROUTE":
                guard let second, NETRJS.isName(first), NETRJS.isName(second) else { return nil }
                return .route(job: first, to: second)
            case "ABORT": return operands.count == 1 && NETRJS.isName(first) ? .abort(job: first) : nil
            case "BSP", "BACKSPACE": return Device(named: first).map { .backspace($0) }
            case "CAN", "CANCEL":
                return target(first, second, operands).map { .cancel($0, wholeJob: second == "JOB") }
            case "RST", "RESTART":
                return target(first, second, operands).map { .restart($0, wholeJob: second == "JOB") }
            case "REPEAT":
                // how many in all is unknown: copies beyond the one
                guard NETRJS.isName(first), let copies = second.flatMap({ Int($0) }), (1...99).contains(copies) else {
                    return nil
                }
                return .repeat(job: first, copies: copies)
            case "EAM": return Device(named: first).flatMap { $0 == .reader ? nil : .echo($0) }
            default: return nil
            }
        }

        private static func target(_ first: String, _ second: String?, _ operands: [String]) -> Target? {
            guard operands.count == 1 || second == "JOB" else { return nil }
            if let device = Device(named: first) { return .device(device) }
            return NETRJS.isName(first) ? .job(first) : nil
        }
    }
}
