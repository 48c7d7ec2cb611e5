import Protocols

/// What the operator of a terminal may ask, answered in lines.
extension NETRJSSession {
    func obey(_ command: NETRJS.Command) -> [String] {
        guard let terminal else { return [] }
        let id = terminal.id
        let outputs = shared.outputs
        switch command {
        case .signOn, .signOff, .unknown: return []  // the machine's own business; it does not ask
        case .status(.jobs): return outputs.statusLines(of: id)
        case .status(.system):
            let jobs = shared.batch.status(of: id, most: .max).reports
            return [
                "RJS800I \(outputs.signedOn.count) TERMINALS ACTIVE",
                "RJS802I \(jobs.count) JOBS, \(jobs.count { $0.state == .running }) IN EXECUTION",
            ]
        case .status(.lines):
            return ["RJS809I TERMINAL LINE"] + outputs.signedOn.map { "RJS810I \(left($0, 8)) ACTIVE" }
        case .alert: return alertLines
        case .message(let to, let text):
            if to == "OPERATOR" { return ["RJS271I MESSAGE SENT TO OPERATOR"] }
            return outputs.tell(to, "RJS270I FROM \(id): \(text)") ? [] : ["RJS272I \(to) IS NOT SIGNED ON"]
        case .setDestination(let terminal):
            guard shared.terminals[terminal] != nil else { return ["RJS273I UNKNOWN TERMINAL \(terminal)"] }
            destination = terminal
            return ["RJS274I OUTPUT GOES TO \(terminal)"]
        case .setDeferred(let isDeferred):
            entersDeferred = isDeferred
            return ["RJS274I OUTPUT WILL BE \(isDeferred ? "DEFERRED" : "ACTIVE")"]
        case .defer(let names):
            var count = 0
            for (device, name) in running where names.contains(name) {
                order(.defer, device)
                count += 1
            }
            count += outputs.change(id, where: { names.contains($0.name) && !$0.isDeferred }) { $0.isDeferred = true }
            return [found(count, "DEFERRED")]
        case .reset(let names):
            let count = outputs.change(id, where: { names?.contains($0.name) ?? true }) { entry in
                guard entry.isDeferred else { return }
                entry.isDeferred = false
                entry.position = .pageBefore(entry.position, in: entry.files)
            }
            return [found(count, "ACTIVE")]
        case .route(let job, let to):
            guard shared.terminals[to] != nil else { return ["RJS273I UNKNOWN TERMINAL \(to)"] }
            return [found(outputs.change(id, where: { $0.name == job }) { $0.terminal = to }, "ROUTED TO \(to)")]
        case .abort(let job): return [abort(job, of: id)]
        case .backspace(let device): return [ordered(.backspace, device)]
        case .cancel(.device(let device), let wholeJob): return [ordered(wholeJob ? .skipAll : .skipDataSet, device)]
        case .cancel(.job(let job), _): return [found(outputs.cancel(job, of: id), "CANCELLED")]
        case .restart(.device(let device), let wholeJob):
            return [ordered(wholeJob ? .restartAll : .restartDataSet, device)]
        case .restart(.job(let job), _):
            let count = outputs.change(id, where: { $0.name == job }) { entry in
                entry.position = .init()
                entry.isDeferred = false
            }
            return [found(count, "RESTARTED")]
        case .repeat(let job, let copies):
            let count = outputs.change(id, alsoSending: true, where: { $0.name == job }) { $0.furtherCopies += copies }
            return [found(count, "TO BE REPEATED \(copies) TIMES")]
        case .echo(let device):
            echoes.insert(device)
            return ["RJS275I READER1 IS ECHOED TO \(device.name)"]
        }
    }

    private func found(_ count: Int, _ what: String) -> String {
        count == 0 ? "RJS276I NO SUCH OUTPUT" : "RJS277I \(count) OUTPUTS \(what)"
    }

    private func ordered(_ order: Order, _ device: NETRJS.Device) -> String {
        guard channels[device]?.phase == .running else { return "RJS278I \(device.name) IS NOT ACTIVE" }
        self.order(order, device)
        return "RJS279I \(device.name) OBEYS"
    }

    private func abort(_ job: String, of id: String) -> String {
        guard let number = shared.outputs.number(of: job, from: id) else { return "RJS537I JOB \(job) NOT FOUND" }
        guard (try? shared.batch.cancel(number, of: id)) != nil else { return "RJS538I JOB \(job) HAS ENDED" }
        return "RJS536I JOB \(job) ABORTED"
    }

    /// Jobs whose output is being sent.
    private var running: [(NETRJS.Device, String)] {
        sending.map { ($0.key, $0.value) }
    }
}
