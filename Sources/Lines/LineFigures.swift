import Synchronization

/// Octets over all lines of this process to hosts, as the kernel took and gave them or will: for `/metrics`.
package enum LineFigures {
    private static let received = Atomic<Int>(0)
    private static let sent = Atomic<Int>(0)

    package static var receivedOctets: Int { received.load(ordering: .relaxed) }
    package static var sentOctets: Int { sent.load(ordering: .relaxed) }

    static func count(received octets: Int) { received.wrappingAdd(octets, ordering: .relaxed) }
    static func count(sent octets: Int) { sent.wrappingAdd(octets, ordering: .relaxed) }
}
