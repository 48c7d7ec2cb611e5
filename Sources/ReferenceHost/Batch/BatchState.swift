import Glibc
import Jobs
import Wire

/// Everything the batch system remembers; a value under its lock.
struct BatchState: Sendable {
    struct Initiator: Sendable {
        let classes: [JobClass]
        var isDrained = false
        var running: HostJobNumber?
        var waiter: CheckedContinuation<Assignment?, Never>?
    }

    /// Who hears of changes to a user's jobs. Called under the lock: it must only pass the report on.
    struct Watcher: Sendable {
        let user: String
        let tell: @Sendable (JobReport) -> Void
    }

    var jobs: [UInt64: QueuedJob] = [:]
    var serials: [HostJobNumber: UInt64] = [:]
    var numbers: JobNumbers
    var keys = KeyTable()
    var lastSerial: UInt64 = 0
    var initiators: [Initiator]
    /// By class and priority.
    private var queues: [[FIFO<UInt64>]]
    private var byUser: [String: SerialList] = [:]
    var watchers: [UInt64: Watcher] = [:]
    /// Of decks that have not ended.
    var waitingOctets = 0
    var isStopping = false
    /// Journal octets at which it is written anew.
    var compactAt = smallestCompaction
    static let smallestCompaction = 64 << 20

    init(_ settings: BatchSettings) {
        numbers = JobNumbers(soft: settings.lastShortNumber)
        initiators = settings.initiators.map { Initiator(classes: $0) }
        queues = Array(repeating: Array(repeating: FIFO(), count: 16), count: JobClass.all.count)
    }

    mutating func add(_ job: QueuedJob) {
        jobs[job.serial] = job
        serials[job.number] = job.serial
        byUser[job.user, default: SerialList()].append(job.serial)
        waitingOctets += job.block.count
    }

    mutating func remove(_ job: QueuedJob) {
        jobs[job.serial] = nil
        serials[job.number] = nil
        waitingOctets -= job.block.count
        numbers.release(job.number)
        byUser[job.user]?.removed { jobs[$0] != nil }
    }

    func job(_ text: String, of user: String) -> QueuedJob? {
        guard let number = HostJobNumber(text), let serial = serials[number], let job = jobs[serial], job.user == user
        else {
            return nil
        }
        return job
    }

    /// Newest first.
    func newest(_ most: Int, of user: String) -> (reports: [JobReport], hasMore: Bool) {
        var reports: [JobReport] = []
        for serial in (byUser[user]?.serials ?? []).reversed() {
            guard let job = jobs[serial] else { continue }
            if reports.count == most { return (reports, true) }
            reports.append(job.report)
        }
        return (reports, false)
    }

    func tell(_ job: QueuedJob) {
        let report = job.report
        for watcher in watchers.values where watcher.user == job.user { watcher.tell(report) }
    }

    // MARK: the queue

    mutating func enqueue(_ serial: UInt64) {
        guard let job = jobs[serial] else { return }
        queues[job.jobClass.place][min(15, max(0, job.priority))].append(serial)
    }

    /// Takes the next job for an initiator: its classes in their order, then by priority, then by age.
    mutating func pick(for initiator: Int) -> UInt64? {
        guard !initiators[initiator].isDrained else { return nil }
        for jobClass in initiators[initiator].classes {
            let place = jobClass.place
            for priority in stride(from: 15, through: 0, by: -1) where !queues[place][priority].isEmpty {
                // what was held or cancelled meanwhile, or queued again, is passed over
                while let serial = queues[place][priority].removeFirst() {
                    if jobs[serial]?.isWaiting == true { return serial }
                }
            }
        }
        return nil
    }

    // MARK: restart

    mutating func replay(_ record: JournalRecord, spool: String) {
        switch record {
        case .numbers(let number, let serial):
            numbers.resume(after: number)
            lastSerial = max(lastSerial, serial)
        case .accepted(let kept):
            guard let number = HostJobNumber(value: kept.number) else { return }
            lastSerial = max(lastSerial, kept.serial)
            numbers.name(number)
            numbers.resume(after: number.value)
            add(
                QueuedJob(
                    serial: kept.serial, number: number, name: kept.name, user: kept.user, key: kept.key,
                    block: kept.block, hash: kept.hash, code: kept.code, form: kept.form, longest: kept.longest,
                    jobClass: kept.jobClass, priority: kept.priority, isHeld: kept.isHeld, cards: kept.cards,
                    submittedAt: kept.submittedAt))
            if let key = kept.key {
                numbers.name(number)
                keys.bind(
                    KeyID(user: kept.user, key: key),
                    to: KeyEntry(
                        number: number, serial: kept.serial, name: kept.name, cards: kept.cards, block: kept.hash,
                        commit: 0))
            }
        case .started(let serial, let time):
            jobs[serial]?.startedAt = time
            jobs[serial]?.isRerun = true
        case .held(let serial, let isHeld): jobs[serial]?.isHeld = isHeld
        case .cancelAsked(let serial): jobs[serial]?.isCancelAsked = true
        case .ended(let serial, let end, let files):
            waitingOctets -= jobs[serial]?.block.count ?? 0
            jobs[serial]?.block = []
            jobs[serial]?.end = end
            jobs[serial]?.isEndVisible = true
            jobs[serial]?.files = files.map { $0.outputFile(in: spool) }
        case .purged(let serial):
            guard let job = jobs[serial] else { return }
            if let key = job.key, let end = job.end { purgedEnds[KeyID(user: job.user, key: key)] = end.at }
            remove(job)
        case .key(let id, let entry):
            if let number = entry.number { numbers.name(number) }
            keys.bind(id, to: entry)
        }
    }

    /// Ends of jobs that were purged, until their keys have them.
    private var purgedEnds: [KeyID: Timestamp] = [:]

    /// Keys of ended jobs begin to run out, in the order of the ends.
    mutating func afterReplay(now: Timestamp, keep: Duration) {
        var ends = purgedEnds
        purgedEnds = [:]
        for job in jobs.values {
            if let key = job.key, let end = job.end { ends[KeyID(user: job.user, key: key)] = end.at }
        }
        var due = keys.entries.compactMap { id, entry in
            (entry.expiresAt ?? ends[id]?.advanced(by: keep)).map { ($0, id, entry) }
        }
        due.sort { $0.0 < $1.0 }
        var table = KeyTable()
        for (id, entry) in keys.entries where entry.expiresAt == nil && ends[id] == nil { table.bind(id, to: entry) }
        for (expiry, id, entry) in due {
            var entry = entry
            entry.expiresAt = expiry
            table.bind(id, to: entry)
        }
        keys = table
        forgetKeys(now: now)
    }

    mutating func forgetKeys(now: Timestamp) {
        for number in keys.forget(at: now) { numbers.release(number) }
    }

    /// The shortest journal that leads to this state, appended records that are not safe yet included.
    var snapshot: [JournalRecord] {
        var records: [JournalRecord] = [.numbers(lastNumber: numbers.lastGiven, lastSerial: lastSerial)]
        for job in jobs.values.sorted(by: { $0.serial < $1.serial }) {
            records.append(job.record)
            if let startedAt = job.startedAt { records.append(.started(serial: job.serial, at: startedAt)) }
            if job.isCancelAsked { records.append(.cancelAsked(serial: job.serial)) }
            if let end = job.end {
                records.append(.ended(serial: job.serial, end, job.files.map(JournalRecord.FileRecord.init)))
            }
        }
        for (id, entry) in keys.entries where jobs[entry.serial] == nil { records.append(.key(id, entry)) }
        // the last number again: names of kept jobs have moved it
        records.append(.numbers(lastNumber: numbers.lastGiven, lastSerial: lastSerial))
        return records
    }
}

/// A user's jobs in the order of their acceptance; those that are gone are swept out now and then.
struct SerialList: Sendable {
    private(set) var serials: [UInt64] = []
    private var gone = 0

    mutating func append(_ serial: UInt64) { serials.append(serial) }

    mutating func removed(_ isThere: (UInt64) -> Bool) {
        gone += 1
        guard gone > 64, gone * 2 > serials.count else { return }
        serials.removeAll { !isThere($0) }
        gone = 0
    }
}

/// With the folders above it. What cannot be made shows when something is opened in it.
func makeFolder(_ path: String) {
    for (at, octet) in path.utf8.enumerated() where octet == 0x2F && at > 0 {
        mkdir(String(decoding: path.utf8.prefix(at), as: UTF8.self), 0o700)
    }
    mkdir(path, 0o700)
}

/// Files that a process left which died while it wrote them.
func removeStrayFiles(_ spool: String, kept jobs: [QueuedJob]) {
    var names: Set<String> = []
    for job in jobs { for file in job.files { if case .disk(let spooled) = file.body { names.insert(spooled.name) } } }
    guard let folder = opendir(spool) else { return }
    defer { closedir(folder) }
    while let entry = readdir(folder) {
        let name = withUnsafePointer(to: entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if !name.hasPrefix(".") && !names.contains(name) { unlink("\(spool)/\(name)") }
    }
}
