import Glibc
import Synchronization

/// The last commit that was answered, noted beside the database.
///
/// SQLite drops the first damaged frame of its write-ahead log and all that follow it, without a word: to it they are a commit
/// that was never finished. The mark tells them from frames that were durable and answered for. It is written after each commit
/// and never synced: a kill keeps it, and after a loss of power it is older than the log at worst, which hides something but
/// accuses nobody.
final class CommitMark: Sendable {
    struct Mark: Equatable {
        /// Of the log's present generation; a log that begins anew has another one.
        var salt: UInt64
        /// Of the log, up to and with that commit.
        var frames: UInt64
        /// Of the last event.
        var sequence: Int64

        static let octets = 32

        var encoded: [UInt8] {
            let words = [salt, frames, UInt64(bitPattern: sequence)]
            return (words + [Self.check(words)]).flatMap { word in
                stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
            }
        }

        init(salt: UInt64, frames: UInt64, sequence: Int64) {
            self.salt = salt
            self.frames = frames
            self.sequence = sequence
        }

        /// nil for one that was torn.
        init?(_ octets: [UInt8]) {
            guard octets.count == Self.octets else { return nil }
            let words = stride(from: 0, to: Self.octets, by: 8).map { start in
                octets[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            }
            guard words[3] == Self.check(words.dropLast()) else { return nil }
            self.init(salt: words[0], frames: words[1], sequence: Int64(bitPattern: words[2]))
        }

        private static func check(_ words: some Collection<UInt64>) -> UInt64 {
            words.reduce(0x5037_376D_6172_6B00) { ($0 ^ $1) &* 0x9E37_79B9_7F4A_7C15 }
        }
    }

    private let descriptor: CInt
    private let log: CInt

    /// - Parameter log: the write-ahead log's file, which is there by now.
    init(folder: String, log path: String) {
        // Without it the store works as well, and notices less.
        descriptor = open(Self.path(folder), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        log = open(path, O_RDONLY | O_CLOEXEC)
    }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
        if log >= 0 { Glibc.close(log) }
    }

    static func path(_ folder: String) -> String { folder + "/commit-mark" }

    static func read(folder: String) -> Mark? {
        let descriptor = open(path(folder), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { Glibc.close(descriptor) }
        var octets = [UInt8](repeating: 0, count: Mark.octets)
        return pread(descriptor, &octets, Mark.octets, 0) == Mark.octets ? Mark(octets) : nil
    }

    /// After a commit, before anybody hears of it.
    func committed(frames: Int, sequence: Int64) {
        var header = [UInt8](repeating: 0, count: WriteAheadLog.headerOctets)
        guard descriptor >= 0, log >= 0, pread(log, &header, header.count, 0) == header.count else { return }
        let mark = Mark(salt: WriteAheadLog.salt(of: header), frames: UInt64(frames), sequence: sequence)
        let octets = mark.encoded
        _ = pwrite(descriptor, octets, octets.count, 0)
    }
}

/// Reads as much of a write-ahead log as SQLite would take (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
struct WriteAheadLog: Equatable {
    static let headerOctets = 32

    let salt: UInt64
    /// Up to the last one that completes a commit.
    private(set) var committedFrames = 0

    static func salt(of header: [UInt8]) -> UInt64 {
        header[16..<24].reduce(0) { $0 << 8 | UInt64($1) }
    }

    enum Finding: Equatable {
        /// There is none, or an empty one: it was copied into the database in an orderly way.
        case none
        case damagedHeader
        case log(WriteAheadLog)
    }

    static func read(_ path: String) -> Finding {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return .none }
        defer { Glibc.close(descriptor) }
        var header = [UInt8](repeating: 0, count: headerOctets)
        guard pread(descriptor, &header, headerOctets, 0) == headerOctets else { return .none }
        let magic = word(header, 0)
        let page = Int(word(header, 8))
        var sum = Checksum(isBigEndian: magic & 1 == 1)
        sum.add(header[..<24])
        guard magic & ~1 == 0x377F_0682, page >= 512, page <= 65_536, page & (page - 1) == 0, sum == (header, 24) else {
            return .damagedHeader
        }
        var found = WriteAheadLog(salt: salt(of: header))
        var frame = [UInt8](repeating: 0, count: 24 + page)
        var count = 0
        while pread(descriptor, &frame, frame.count, headerOctets + count * frame.count) == frame.count {
            guard frame[8..<16].elementsEqual(header[16..<24]) else { break }
            sum.add(frame[..<8])
            sum.add(frame[24...])
            guard sum == (frame, 16) else { break }
            count += 1
            if word(frame, 4) != 0 { found.committedFrames = count }
        }
        return .log(found)
    }

    fileprivate static func word(_ octets: [UInt8], _ start: Int) -> UInt32 {
        octets[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    private struct Checksum {
        let isBigEndian: Bool
        var sums: (UInt32, UInt32) = (0, 0)

        init(isBigEndian: Bool) { self.isBigEndian = isBigEndian }

        /// A multiple of eight octets.
        mutating func add(_ octets: ArraySlice<UInt8>) {
            octets.withUnsafeBytes { buffer in
                for start in stride(from: 0, to: buffer.count - 7, by: 8) {
                    let first = buffer.loadUnaligned(fromByteOffset: start, as: UInt32.self)
                    let second = buffer.loadUnaligned(fromByteOffset: start + 4, as: UInt32.self)
                    sums.0 &+= (isBigEndian ? first.bigEndian : first.littleEndian) &+ sums.1
                    sums.1 &+= (isBigEndian ? second.bigEndian : second.littleEndian) &+ sums.0
                }
            }
        }

        /// Whether it stands there.
        static func == (sum: Checksum, place: (octets: [UInt8], start: Int)) -> Bool {
            sum.sums
                == (WriteAheadLog.word(place.octets, place.start), WriteAheadLog.word(place.octets, place.start + 4))
        }
    }
}

extension SQLiteStore {
    /// What was answered for and is in the log no more. To be asked before SQLite opens it.
    struct LogCheck {
        private let mark: CommitMark.Mark?
        /// Frames are missing, or all of it cannot be read.
        private let isCut: Bool
        /// The log as it was found: SQLite will overwrite it.
        private let copy: String?

        init(folder: String, database: String) {
            let path = database + "-wal"
            mark = CommitMark.read(folder: folder)
            switch (mark, WriteAheadLog.read(path)) {
            case (let mark?, .log(let log)): isCut = log.salt == mark.salt && log.committedFrames < mark.frames
            case (_?, .damagedHeader): isCut = true
            case (nil, _), (_, .none): isCut = false
            }
            copy = isCut ? Self.keep(path) : nil
        }

        /// - Parameter found: the last event there is.
        func rolledBack(found: Int64) -> OpenReport.RolledBack? {
            guard let mark, isCut || found < mark.sequence else { return nil }
            return OpenReport.RolledBack(acknowledged: max(mark.sequence, found), found: found, keptLog: copy)
        }

        private static func keep(_ path: String) -> String? {
            for number in 1...100 {
                let name = "\(path).damaged-\(number)"
                let target = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
                if target < 0, errno == EEXIST { continue }
                let source = open(path, O_RDONLY | O_CLOEXEC)
                defer {
                    if source >= 0 { Glibc.close(source) }
                    if target >= 0 { Glibc.close(target) }
                }
                guard target >= 0, source >= 0 else { return nil }
                while true {
                    let count = sendfile(target, source, nil, 1 << 24)
                    if count < 0 { return nil }
                    if count == 0 { return fsync(target) == 0 ? name : nil }
                }
            }
            return nil
        }
    }
}
