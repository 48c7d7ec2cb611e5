/// One line or block that went over a session with a host, as it is kept for people.
package struct Frame: Equatable, Sendable {
    package enum Direction: UInt8, Sendable {
        /// To the host.
        case out = 0
        /// From the host.
        case `in` = 1
    }

    /// Which of a session's lines carried it.
    package enum Channel: UInt8, Sendable {
        /// Commands and answers; a NETRJS console.
        case control = 0
        /// The deck on its own line.
        case reader = 1
        /// Output on its own line.
        case output = 2

        package var word: String {
            switch self {
            case .control: "control"
            case .reader: "reader"
            case .output: "output"
            }
        }
    }

    package let at: Timestamp
    package let direction: Direction
    package let channel: Channel
    /// A deck or output, not a line of the dialogue.
    package let isData: Bool
    /// Its length on the line.
    package let octets: Int
    /// The line without its end, secrets blanked; of data the first `mostData` octets.
    package let bytes: [UInt8]

    /// Octets kept of a line.
    package static let mostText = 1024
    /// Octets kept of a block of data.
    package static let mostData = 256

    package init(
        at: Timestamp, _ direction: Direction, on channel: Channel = .control, octets: Int,
        _ bytes: some Collection<UInt8>,
        isData: Bool = false
    ) {
        self.at = at
        self.direction = direction
        self.channel = channel
        self.octets = octets
        self.isData = isData
        self.bytes = Array(bytes.prefix(isData ? Self.mostData : Self.mostText))
    }

    /// What it counts against a bound.
    package var cost: Int { bytes.count + 32 }
}

/// The frames of one stretch of a session: the first, the last, and how many lay between.
package struct FrameLog: Equatable, Sendable {
    package var first: [Frame] = []
    package var omittedFrames = 0
    package var omittedOctets = 0
    package var last: [Frame] = []

    package init() {}

    package var isEmpty: Bool { first.isEmpty && last.isEmpty }
}

/// One stored log.
package struct StoredFrames: Equatable, Sendable {
    package let attempt: Int
    /// From 1 within the attempt: handing in, settling, taking the output.
    package let part: Int
    package let log: FrameLog

    package init(attempt: Int, part: Int, log: FrameLog) {
        self.attempt = attempt
        self.part = part
        self.log = log
    }
}

// MARK: as octets

extension FrameLog {
    private static let version: UInt8 = 1

    /// For the store; `init?(encoded:)` reads it.
    package var encoded: [UInt8] {
        var octets: [UInt8] = [Self.version]
        var time: Int64 = 0
        func append(_ number: Int) {
            var rest = UInt64(bitPattern: Int64(number))
            while rest > 0x7F {
                octets.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            octets.append(UInt8(rest))
        }
        func append(_ frames: [Frame]) {
            append(frames.count)
            for frame in frames {
                octets.append(frame.direction.rawValue | frame.channel.rawValue << 1 | (frame.isData ? 8 : 0))
                // A clock that was set back makes no negative number.
                append(Int(max(0, frame.at.microseconds - time)))
                time = max(time, frame.at.microseconds)
                append(frame.octets)
                append(frame.bytes.count)
                octets += frame.bytes
            }
        }
        append(first)
        append(omittedFrames)
        append(omittedOctets)
        append(last)
        return octets
    }

    /// nil for what was not written by `encoded`.
    package init?(encoded octets: [UInt8]) {
        var reader = Reader(rest: octets[...])
        guard reader.octet() == Self.version, let first = reader.frames(), let omittedFrames = reader.number(),
            let omittedOctets = reader.number(), let last = reader.frames(), reader.rest.isEmpty
        else { return nil }
        self.first = first
        self.omittedFrames = omittedFrames
        self.omittedOctets = omittedOctets
        self.last = last
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>
        var time: Int64 = 0

        mutating func octet() -> UInt8? { rest.popFirst() }

        mutating func number() -> Int? {
            var number: UInt64 = 0
            var shift: UInt64 = 0
            while let octet = octet() {
                number |= UInt64(octet & 0x7F) << shift
                if octet < 0x80 { return Int(exactly: number) }
                shift += 7
                if shift > 56 { return nil }
            }
            return nil
        }

        mutating func frames() -> [Frame]? {
            guard let count = number(), count <= rest.count else { return nil }
            var frames: [Frame] = []
            for _ in 0..<count {
                guard let flags = octet(), let direction = Frame.Direction(rawValue: flags & 1),
                    let channel = Frame.Channel(rawValue: flags >> 1 & 3), let later = number(),
                    let octets = number(), let length = number(), length <= rest.count
                else { return nil }
                let sum = time.addingReportingOverflow(Int64(later))
                guard !sum.overflow else { return nil }
                time = sum.partialValue
                frames.append(
                    Frame(
                        at: Timestamp(microseconds: time), direction, on: channel, octets: octets, rest.prefix(length),
                        isData: flags & 8 != 0))
                rest = rest.dropFirst(length)
            }
            return frames
        }
    }
}
