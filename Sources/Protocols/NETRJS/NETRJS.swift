/// NETRJS, by which UCLA's batch system served remote batch terminals: a console over TELNET, and a channel each for the
/// card reader, the printer and the punch, on connections of their own.
///
/// Source: RFC 740; where it leaves TCP open, profile N1 of `netrjs-rfc740.md` section 13.
package enum NETRJS {
    /// Octets of a transaction, header and filler included.
    package static let longestTransaction = 880
    package static let headerOctets = 9
    /// Octets of a record's text.
    package static let longestRecord = 255
    package static let longestCard = 80
    /// Characters of a console line that a host takes; what is longer is cut.
    package static let longestConsoleLine = 133
    /// Time for sign-on.
    package static let signOnLimit = Duration.seconds(180)
    /// Silence on a reader, or output not taken, after which the channel is aborted.
    package static let dataLimit = Duration.seconds(300)
    /// How long a host waits for the half-close that may follow END-OF-DATA.
    package static let halfCloseLimit = Duration.seconds(5)

    static let endOfData: UInt8 = 0xFE
    static let data: UInt8 = 0xFF

    /// A channel of a terminal.
    package enum Device: UInt8, CaseIterable, Sendable {
        case reader = 3
        case printer = 4
        case punch = 5

        /// As console lines call it.
        package var name: String {
            switch self {
            case .reader: "READER1"
            case .printer: "PRINTER1"
            case .punch: "PUNCH1"
            }
        }

        package init?(named name: some StringProtocol) {
            guard let device = Self.allCases.first(where: { $0.name == name }) else { return nil }
            self = device
        }

        /// Of its port from the socket base.
        package var portOffset: Int {
            switch self {
            case .reader: 2
            case .printer: 3
            case .punch: 5
            }
        }
    }

    /// How a record stands in a transaction.
    package enum Form: UInt8, CaseIterable, Sendable {
        case compressed = 0x80
        case truncated = 0xC0

        package func operation(_ device: Device) -> UInt8 { rawValue | device.rawValue }
    }

    /// A name of a terminal or a job: letters, digits and `$ # @`, at most 8, no digit first.
    package static func isName(_ text: some StringProtocol) -> Bool {
        let isLetter: (UInt8) -> Bool = { (0x41...0x5A).contains($0) || $0 == 0x24 || $0 == 0x23 || $0 == 0x40 }
        guard (1...8).contains(text.utf8.count), let first = text.utf8.first, isLetter(first) else { return false }
        return text.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) }
    }

    /// The first record of a print-out or punch stream.
    package struct JobHeader: Equatable, Sendable {
        package let name: String
        /// From the job card; empty when it had none.
        package let identification: String

        package init(name: String, identification: String = "") {
            self.name = name
            self.identification = identification
        }

        /// - Parameter record: in ASCII. Lenient: what stands before the comma is the name, in upper case.
        /// - Returns: nil when no name stands there.
        package init?(record: some Collection<UInt8>) {
            let text = String(decoding: record, as: UTF8.self)
            let parts = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
            guard let first = parts.first else { return nil }
            let name = first.filter { $0 != " " }.uppercased()
            guard NETRJS.isName(name) else { return nil }
            self.init(name: name, identification: parts.count == 2 ? String(parts[1]) : "")
        }

        /// In ASCII.
        package var record: [UInt8] {
            let padded = Array(name.utf8) + Array(repeating: 0x20, count: max(0, 8 - name.utf8.count))
            return padded + [0x2C] + Array(identification.utf8)
        }
    }
}
