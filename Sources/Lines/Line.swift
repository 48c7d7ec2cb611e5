/// A stream of bytes in both directions, as a station or a host drives it.
///
/// One task reads and one task writes at a time (they may be two). A wait that is cancelled throws `cancelled`, one that
/// takes too long throws `deadline`; the line stays usable after either: no byte is lost by a read given up, and a write
/// given up has still been queued.
package protocol Line: Sendable {
    /// The next bytes, as many as have come; nil at the orderly end. Never an empty array.
    ///
    /// What came before an error is handed out before the error is thrown.
    func read(within limit: Duration?) async throws(LineError) -> [UInt8]?

    /// Returns when the bytes are queued and the queue stands below its high watermark (256 KiB).
    func write(_ bytes: [UInt8], within limit: Duration?) async throws(LineError)

    /// Half-close: the other side sees the end after what was written; reading goes on.
    func finishSending() async

    /// Hangs up, after what was written has been sent as far as the peer takes it. Waits end with `closed`.
    func close()

    /// The other end, when it has an address.
    var peer: SocketAddress? { get }
}

extension Line {
    package func read() async throws(LineError) -> [UInt8]? { try await read(within: nil) }
    package func write(_ bytes: [UInt8]) async throws(LineError) { try await write(bytes, within: nil) }
}
