import Glibc

/// The octets of a finished file, in memory or on disk.
package enum SpoolBody: Sendable {
    case memory([UInt8])
    case disk(SpooledFile)

    /// - Returns: at most `count` octets from `offset`; fewer only at the end.
    /// - Throws: when the file is gone or shorter than it was.
    package func read(offset: Int, count: Int) throws(SpoolError) -> [UInt8] {
        switch self {
        case .memory(let octets):
            let start = min(max(0, offset), octets.count)
            let wanted = min(max(0, count), octets.count - start)
            return wanted == octets.count ? octets : Array(octets[start..<start + wanted])
        case .disk(let file):
            return try file.read(offset: offset, count: count)
        }
    }
}

package struct SpoolError: Error, Equatable, Sendable {
    package let number: CInt
}

/// A file of the spool. Named ones are opened for each read, so that 10,000 kept jobs need no 10,000 descriptors; one
/// without a name lives as long as its descriptor.
package final class SpooledFile: Sendable {
    enum Place: Sendable {
        case path(String)
        case descriptor(CInt)
    }

    let place: Place
    /// Of a named file, in its folder.
    var name: String {
        if case .path(let path) = place { String(path.split(separator: "/").last ?? "") } else { "" }
    }
    let octets: Int

    init(_ place: Place, octets: Int) {
        self.place = place
        self.octets = octets
    }

    deinit { if case .descriptor(let descriptor) = place { close(descriptor) } }

    func read(offset: Int, count: Int) throws(SpoolError) -> [UInt8] {
        let descriptor: CInt
        switch place {
        case .descriptor(let own): descriptor = own
        case .path(let path): descriptor = open(path, O_RDONLY | O_CLOEXEC)
        }
        guard descriptor >= 0 else { throw SpoolError(number: errno) }
        defer { if case .path = place { close(descriptor) } }
        let wanted = min(max(0, count), max(0, octets - offset))
        var failure: CInt = 0
        let read = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
            while filled < wanted {
                let got = pread(
                    descriptor, buffer.baseAddress?.advanced(by: filled), wanted - filled, off_t(offset + filled))
                if got < 0 && errno == EINTR { continue }
                guard got > 0 else {
                    failure = got < 0 ? errno : EIO
                    return
                }
                filled += got
            }
        }
        if failure != 0 { throw SpoolError(number: failure) }
        return read
    }

    /// Makes a named file safe; one without a name dies with the process anyway.
    func sync() throws(SpoolError) {
        guard case .path(let path) = place else { return }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SpoolError(number: errno) }
        defer { close(descriptor) }
        if fdatasync(descriptor) != 0 { throw SpoolError(number: errno) }
    }
}

/// Where long files go.
package struct SpoolPlace: Sendable {
    /// nil: nowhere that outlives the process.
    package let directory: String?
    /// Files up to this many octets stay in memory (and lie in the journal).
    package var longestInMemory = 64 * 1024

    package init(directory: String?) { self.directory = directory }
}
