import CZlib

/// Packs a stream of octets by zlib, piece by piece. Some 70 KiB as long as it lives, where the usual 270 would be more than a
/// client that does not read may cost: it looks back 8 KiB, which is a page or two of print-out.
///
/// One user at a time.
package final class Deflater: @unchecked Sendable {
    package enum Wrapping: CInt, Sendable {
        /// RFC 1950, for PDF.
        case zlib = 13
        /// RFC 1951, for ZIP.
        case none = -13
        /// RFC 1952, for `Content-Encoding: gzip`.
        case gzip = 29
    }

    // zlib keeps the address of its stream, so it may not move. Sound to send: nothing of it is shared.
    private let stream: UnsafeMutablePointer<z_stream>
    private let isReady: Bool

    package init(_ wrapping: Wrapping, level: Int = 5) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        isReady = port77_deflate_init(stream, CInt(level), wrapping.rawValue) == Z_OK
    }

    deinit {
        if isReady { deflateEnd(stream) }
        stream.deallocate()
    }

    /// Memory for packing could not be had.
    package struct OutOfMemory: Error, Equatable, Sendable {}

    package func append(_ octets: [UInt8], to output: inout [UInt8]) throws(OutOfMemory) {
        if !octets.isEmpty { try run(octets, Z_NO_FLUSH, &output) }
    }

    /// Once, after the last octet.
    package func finish(to output: inout [UInt8]) throws(OutOfMemory) { try run([], Z_FINISH, &output) }

    private func run(_ octets: [UInt8], _ flush: CInt, _ output: inout [UInt8]) throws(OutOfMemory) {
        guard isReady else { throw OutOfMemory() }
        var octets = octets
        octets.withUnsafeMutableBufferPointer { input in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(clamping: input.count)
            let room = 32 * 1024
            var isFull = true
            while isFull {
                let packed = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                    stream.pointee.next_out = buffer.baseAddress
                    stream.pointee.avail_out = UInt32(room)
                    _ = deflate(stream, flush)
                    count = room - Int(stream.pointee.avail_out)
                }
                output += packed
                isFull = packed.count == room
            }
            stream.pointee.next_in = nil
        }
    }
}
