import Glibc

/// Writes octets to a descriptor, all of them.
///
/// - Returns: 0, or the number of the error that kept some from being written.
@discardableResult
func writeAll(_ octets: [UInt8], to descriptor: Int32) -> Int32 {
    var rest = octets[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count >= 0 {
            rest = rest.dropFirst(count)
        } else if errno == EAGAIN {
            var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&ready, 1, -1)
        } else if errno != EINTR {
            return errno
        }
    }
    return 0
}

func complain(_ words: String) { writeAll(Array("port77: \(words)\n".utf8), to: STDERR_FILENO) }

/// To standard output. Ends the process when that is full or nobody reads it any more.
func printOctets(_ octets: [UInt8]) {
    let error = writeAll(octets, to: STDOUT_FILENO)
    guard error != 0 else { return }
    if error != EPIPE { complain("standard output cannot be written: \(String(cString: strerror(error)))") }
    exit(ClientExit.outputLost)
}

/// One line that scripts wait for, past any buffer. Nobody need read it.
func printReady(_ line: String) { writeAll(Array("\(line)\n".utf8), to: STDOUT_FILENO) }
