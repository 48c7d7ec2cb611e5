import Glibc
import Wire
import Synchronization

/// The journal: records one after the other, each with its length and a sum, so that a torn end is seen.
///
///     "P77J" "0001" ( length:4 crc32:4 payload )*      numbers most significant octet first
final class JournalFile: Sendable {
    private static let magic = Array("P77J0001".utf8)
    private let directory: String
    private let descriptor: Atomic<CInt>
    /// Held while the process lives: two hosts on one folder would destroy each other's journal.
    private let lock: Atomic<CInt>
    /// As found at the opening, the torn end left out.
    let octets: Int

    private var path: String { "\(directory)/journal" }

    /// Opens or makes the journal in `directory` and hands each of its records to `replay`. An end that was not written
    /// whole is cut off; it is kept as `journal.cut` for people to look at.
    init(directory: String, replay: (JournalRecord) -> Void) throws(HostFault) {
        self.directory = directory
        let path = "\(directory)/journal"
        let lock = open("\(directory)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw .cannotOpen("\(directory)/lock", errno) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(lock)
            throw .inUse(directory)
        }
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            let number = errno
            Glibc.close(lock)
            throw .cannotOpen(path, number)
        }
        let content = JournalFile.readAll(file)
        var good = 0
        if content.isEmpty {
            _ = try? JournalFile.write(JournalFile.magic, to: file)
            fsync(file)
            JournalFile.syncDirectory(directory)
            good = JournalFile.magic.count
        } else if content.starts(with: JournalFile.magic) {
            good = JournalFile.magic.count
            while let (record, end) = JournalFile.record(in: content, at: good) {
                good = end
                replay(record)
            }
        } else if JournalFile.magic.starts(with: content) {
            // the process died while it made the file
            pwrite(file, JournalFile.magic, JournalFile.magic.count, 0)
            fsync(file)
            good = JournalFile.magic.count
        } else {
            Glibc.close(file)
            Glibc.close(lock)
            throw .noJournal(path)
        }
        if good < content.count {
            let cut = open("\(directory)/journal.cut", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            if cut >= 0 {
                _ = try? JournalFile.write(Array(content[good...]), to: cut)
                Glibc.close(cut)
            }
            ftruncate(file, off_t(good))
            fsync(file)
        }
        lseek(file, 0, SEEK_END)
        octets = good
        descriptor = Atomic(file)
        self.lock = Atomic(lock)
    }

    deinit { close() }

    /// Nothing can be appended from here on, and another process may open the folder.
    func close() {
        for held in [descriptor.exchange(-1, ordering: .relaxed), lock.exchange(-1, ordering: .relaxed)] where held >= 0
        {
            Glibc.close(held)
        }
    }

    static func framed(_ payload: [UInt8]) -> [UInt8] {
        var framed: [UInt8] = []
        framed.reserveCapacity(payload.count + 8)
        for number in [UInt32(truncatingIfNeeded: payload.count), CRC32.of(payload[...])] {
            for shift in stride(from: UInt32(24), through: 0, by: -8) {
                framed.append(UInt8(truncatingIfNeeded: number >> shift))
            }
        }
        return framed + payload
    }

    /// - Returns: nil at the end, and where a record is not whole.
    static func record(in content: [UInt8], at start: Int) -> (JournalRecord, end: Int)? {
        guard start + 8 <= content.count else { return nil }
        func number(_ at: Int) -> UInt32 { content[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) } }
        let length = Int(number(start))
        guard length > 0, length <= content.count - start - 8 else { return nil }
        let payload = content[start + 8..<start + 8 + length]
        guard CRC32.of(payload) == number(start + 4), let record = try? JournalRecord(Array(payload)) else {
            return nil
        }
        return (record, start + 8 + length)
    }

    func append(_ octets: [UInt8]) throws(Committer.Failure) {
        try JournalFile.write(octets, to: descriptor.load(ordering: .relaxed))
    }

    func sync() throws(Committer.Failure) {
        if fdatasync(descriptor.load(ordering: .relaxed)) != 0 { throw Committer.Failure(number: errno) }
    }

    /// Writes a new journal beside the old one and puts it in its place.
    func replace(by octets: [UInt8]) throws(Committer.Failure) {
        let next = "\(path).new"
        let file = open(next, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Committer.Failure(number: errno) }
        do throws(Committer.Failure) {
            try JournalFile.write(JournalFile.magic + octets, to: file)
            guard fsync(file) == 0, rename(next, path) == 0 else {
                throw Committer.Failure(number: errno)
            }
        } catch {
            Glibc.close(file)
            throw error
        }
        JournalFile.syncDirectory(directory)
        Glibc.close(descriptor.exchange(file, ordering: .relaxed))
    }

    private static func write(_ octets: [UInt8], to file: CInt) throws(Committer.Failure) {
        var written = 0
        while written < octets.count {
            let more = octets.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if more < 0 && errno == EINTR { continue }
            guard more > 0 else { throw Committer.Failure(number: more < 0 ? errno : ENOSPC) }
            written += more
        }
    }

    private static func readAll(_ file: CInt) -> [UInt8] {
        var status = stat()
        guard fstat(file, &status) == 0, status.st_size > 0 else { return [] }
        let size = Int(status.st_size)
        return [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
            while filled < size {
                let got = pread(file, buffer.baseAddress?.advanced(by: filled), size - filled, off_t(filled))
                if got < 0 && errno == EINTR { continue }
                if got <= 0 { return }
                filled += got
            }
        }
    }

    static func syncDirectory(_ path: String) {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { return }
        fsync(directory)
        Glibc.close(directory)
    }
}
