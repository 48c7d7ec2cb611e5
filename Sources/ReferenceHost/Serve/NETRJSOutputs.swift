import Protocols
import Synchronization

/// Output that waits for its terminal: the active queue, the deferred queue, and what is being sent.
///
///     job ends ──▶ waiting (active) ──opening of the channel──▶ sending ──FIN after END-OF-DATA──▶ gone
///                    ▲  │DEFER  ▲ RESET                            │ broken, DEFER
///                    │  ▼       │                                  │
///                    │ waiting (deferred)                          │
///                    └─────────────────────────────────────────────┘
///
/// A job is purged with its last output. What was delivered is not in the journal: after a restart of the host a job of which
/// only one of two outputs was taken sends both.
final class NETRJSOutputs: Sendable {
    struct Entry: Sendable {
        let id: UInt64
        /// Of the batch system; nil for the echo of a reader.
        let number: String?
        let name: String
        let identification: String
        let device: NETRJS.Device
        let files: [OutputFile]
        /// The terminal the job came from.
        let origin: String
        var terminal: String
        var isDeferred: Bool
        var furtherCopies = 0
        var position = NETRJSOutputCursor.Position()
        var isSending = false
        /// Its terminal was told of it, and of the job's other output: only then is it sent.
        var isAnnounced = false
    }

    /// What is known of a job since its cards were read.
    struct Details: Sendable {
        var name: String
        var origin: String
        var destination: String
        var isDeferred: Bool
        var identification: String
    }

    /// News for the sessions of a terminal.
    enum News: Sendable {
        case ready(Entry)
        /// Something is there to be sent.
        case work
        case line(String)
    }

    private struct State {
        var entries: [Entry] = []
        var lastID: UInt64 = 0
        var details: [String: Details] = [:]
        /// Names of a terminal's jobs that are not gone, with the keys of the jobs.
        var names: [String: [String: String]] = [:]
        var observers: [String: @Sendable (News) -> Void] = [:]
        /// Told at the next sign-on.
        var kept: [String: [String]] = [:]
        var lastKey: UInt64 = 0
    }

    private let state = Mutex(State())
    private let batch: BatchSystem
    private static let keyPrefix = "netrjs."

    init(_ batch: BatchSystem) { self.batch = batch }

    // MARK: sessions

    /// - Returns: false when the terminal is signed on already.
    func signOn(_ terminal: String, _ tell: @escaping @Sendable (News) -> Void) -> Bool {
        state.withLock { state in
            guard state.observers[terminal] == nil else { return false }
            state.observers[terminal] = tell
            return true
        }
    }

    func signedOff(_ terminal: String) { state.withLock { $0.observers[terminal] = nil } }

    func isSignedOn(_ terminal: String) -> Bool { state.withLock { $0.observers[terminal] != nil } }
    var signedOn: [String] { state.withLock { $0.observers.keys.sorted() } }

    /// - Returns: false when nobody is signed on there.
    func tell(_ terminal: String, _ line: String) -> Bool {
        let observer = state.withLock { $0.observers[terminal] }
        observer?(.line(line))
        return observer != nil
    }

    /// For the operator of the terminal, now or at the next sign-on.
    func keep(_ line: String, for terminal: String) {
        state.withLock { state in
            if (state.kept[terminal]?.count ?? 0) < 100 { state.kept[terminal, default: []].append(line) }
        }
    }

    func takeKept(_ terminal: String) -> [String] { state.withLock { $0.kept.removeValue(forKey: terminal) ?? [] } }

    // MARK: jobs

    /// A key that marks a job as the terminal's; nil when a job of this name is not gone yet.
    func enter(_ details: Details) -> String? {
        state.withLock { state in
            guard state.names[details.origin]?[details.name] == nil else { return nil }
            state.lastKey += 1
            let random = UInt64.random(in: .min ... .max)
            let key = "\(Self.keyPrefix)\(details.origin).\(String(random, radix: 36)).\(state.lastKey)"
            state.details[key] = details
            state.names[details.origin, default: [:]][details.name] = key
            return key
        }
    }

    /// The batch system did not take it.
    func drop(_ key: String) { state.withLock { forget(key, &$0) } }

    private func forget(_ key: String, _ state: inout State) {
        guard let details = state.details.removeValue(forKey: key) else { return }
        if state.names[details.origin]?[details.name] == key { state.names[details.origin]?[details.name] = nil }
    }

    /// Jobs that the host kept over a restart, and every report.
    func reported(_ report: JobReport) {
        guard let key = report.key, key.hasPrefix(Self.keyPrefix) else { return }
        let details = state.withLock { state in
            if let known = state.details[key] { return known }
            let details = Details(
                name: report.name, origin: report.user, destination: report.user, isDeferred: false, identification: "")
            state.details[key] = details
            state.names[report.user, default: [:]][report.name] = key
            return details
        }
        guard report.end != nil else { return }
        let number = report.number.description
        let files = (try? batch.files(number, of: report.user)) ?? []
        var entries: [Entry] = []
        for (device, kind) in [(NETRJS.Device.printer, OutputFile.Kind.print), (.punch, .punch)] {
            let own = files.filter { $0.kind == kind && ($0.records > 0 || kind == .print) }
            guard !own.isEmpty else { continue }
            entries.append(
                Entry(
                    id: 0, number: number, name: report.name, identification: details.identification, device: device,
                    files: own, origin: report.user, terminal: details.destination, isDeferred: details.isDeferred))
        }
        if entries.isEmpty { return purge(number, of: report.user, key) }
        add(entries)
    }

    /// Announces all of them before any is sent: a terminal then knows which is the last.
    func add(_ entries: [Entry]) {
        let (told, new) = state.withLock { state -> ([(@Sendable (News) -> Void, Entry)], [UInt64]) in
            var told: [(@Sendable (News) -> Void, Entry)] = []
            var ids: [UInt64] = []
            for entry in entries {
                // a report may come twice: at the start of the host, and from the batch system
                if let number = entry.number,
                    state.entries.contains(where: { $0.number == number && $0.device == entry.device })
                {
                    continue
                }
                state.lastID += 1
                let new = Entry(entry, id: state.lastID)
                state.entries.append(new)
                ids.append(new.id)
                if let observer = state.observers[new.terminal] { told.append((observer, new)) }
            }
            return (told, ids)
        }
        for (observer, entry) in told { observer(.ready(entry)) }
        let ids = Set(new)
        // somebody may have signed on meanwhile, and heard of them then
        let observers = state.withLock { state in
            var terminals: Set<String> = []
            for at in state.entries.indices where ids.contains(state.entries[at].id) {
                state.entries[at].isAnnounced = true
                terminals.insert(state.entries[at].terminal)
            }
            return terminals.compactMap { state.observers[$0] }
        }
        for observer in observers { observer(.work) }
    }

    private func purge(_ number: String, of user: String, _ key: String?) {
        _ = try? batch.purge(number, of: user)
        state.withLock { state in
            if let key { forget(key, &state) }
        }
    }

    // MARK: queues

    func waiting(for terminal: String) -> [Entry] { state.withLock { $0.entries.filter { $0.terminal == terminal } } }

    /// The next for a channel; it is the caller's until `delivered` or `broken`.
    func take(for terminal: String, _ device: NETRJS.Device) -> Entry? {
        state.withLock { state in
            let at = state.entries.firstIndex {
                $0.terminal == terminal && $0.device == device && $0.isAnnounced && !$0.isSending && !$0.isDeferred
            }
            guard let at else { return nil }
            state.entries[at].isSending = true
            return state.entries[at]
        }
    }

    func delivered(_ id: UInt64) {
        let gone = state.withLock { state -> (Entry, String?)? in
            guard let at = state.entries.firstIndex(where: { $0.id == id }) else { return nil }
            if state.entries[at].furtherCopies > 0 {
                state.entries[at].furtherCopies -= 1
                state.entries[at].isSending = false
                state.entries[at].position = .init()
                return nil
            }
            return remove(at, &state)
        }
        if let (entry, key) = gone { finish(entry, key) }
    }

    /// - Parameter isDeferred: by DEFER; nil: as it was.
    func broken(_ id: UInt64, at position: NETRJSOutputCursor.Position, isDeferred: Bool? = nil) {
        let observer = state.withLock { state -> (@Sendable (News) -> Void)? in
            guard let at = state.entries.firstIndex(where: { $0.id == id }) else { return nil }
            state.entries[at].isSending = false
            state.entries[at].position = position
            if let isDeferred { state.entries[at].isDeferred = isDeferred }
            return state.observers[state.entries[at].terminal]
        }
        observer?(.work)
    }

    /// - Returns: the entry with the key of its job, when this was the job's last.
    private func remove(_ at: Int, _ state: inout State) -> (Entry, String?) {
        let entry = state.entries.remove(at: at)
        guard let number = entry.number, !state.entries.contains(where: { $0.number == number }) else {
            return (entry, nil)
        }
        return (entry, state.names[entry.origin]?[entry.name] ?? "")
    }

    private func finish(_ entry: Entry, _ key: String?) {
        if let number = entry.number, let key { purge(number, of: entry.origin, key.isEmpty ? nil : key) }
    }

    // MARK: commands

    /// Changes entries of a terminal that wait, or are being sent when `alsoSending`.
    /// - Returns: how many there were.
    func change(
        _ terminal: String, alsoSending: Bool = false, where matches: (Entry) -> Bool, _ change: (inout Entry) -> Void
    ) -> Int {
        let (count, observers) = state.withLock { state in
            var count = 0
            var observers: [@Sendable (News) -> Void] = []
            for at in state.entries.indices
            where state.entries[at].terminal == terminal && (alsoSending || !state.entries[at].isSending)
                && matches(state.entries[at])
            {
                change(&state.entries[at])
                count += 1
                if let observer = state.observers[state.entries[at].terminal] { observers.append(observer) }
            }
            return (count, observers)
        }
        for observer in observers { observer(.work) }
        return count
    }

    /// Deletes a job's waiting data sets.
    func cancel(_ name: String, of terminal: String) -> Int {
        let gone = state.withLock { state -> [(Entry, String?)] in
            var gone: [(Entry, String?)] = []
            while let at = state.entries.firstIndex(where: {
                $0.terminal == terminal && $0.name == name && !$0.isSending
            }) { gone.append(remove(at, &state)) }
            return gone
        }
        for (entry, key) in gone { finish(entry, key) }
        return gone.count
    }

    /// The batch system's number of a terminal's job by its name.
    func number(of name: String, from terminal: String) -> String? {
        guard let key = state.withLock({ $0.names[terminal]?[name] }) else { return nil }
        return batch.find(key: key, of: terminal).answer?.number.description
    }

    /// Lines of STATUS JOB.
    func statusLines(of terminal: String) -> [String] {
        let (entries, names) = state.withLock { state in
            (state.entries.filter { $0.terminal == terminal }, state.names[terminal] ?? [:])
        }
        var lines: [String: String] = [:]
        for (name, key) in names {
            guard let number = batch.find(key: key, of: terminal).answer?.number.description,
                let report = batch.status(number, of: terminal)
            else { continue }
            // An ended job is listed as being in execution until its output is in the queue.
            lines[name] = "RJS812I \(left(name, 8)) XEQ \(report.number.description.suffix(3))"
        }
        for entry in entries {
            let queue = entry.isDeferred ? "D" : "A"
            lines[entry.name] = "RJS812I \(left(entry.name, 8)) PRT(\(queue)) \((entry.number ?? "000").suffix(3))"
        }
        if lines.isEmpty { return ["RJS804I NO JOBS"] }
        return ["RJS810I NAME     STATE  NUMBER"] + lines.sorted { $0.key < $1.key }.map(\.value)
    }
}

extension NETRJSOutputs.Entry {
    init(_ entry: NETRJSOutputs.Entry, id: UInt64) {
        self.init(
            id: id, number: entry.number, name: entry.name, identification: entry.identification, device: entry.device,
            files: entry.files, origin: entry.origin, terminal: entry.terminal, isDeferred: entry.isDeferred)
    }

    /// `PRINT OUTPUT FOR JOB HELLO`
    var words: String { "\(device == .printer ? "PRINT" : "PUNCH") OUTPUT FOR JOB \(name)" }
}
