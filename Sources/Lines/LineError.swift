import Glibc

/// Why a line could not be opened, or is no longer usable.
package enum LineError: Error, Equatable, Hashable, Sendable {
    /// The host answered that nobody listens on that port.
    case refused
    /// No route to the host, or the network is down.
    case unreachable
    /// The name has no address.
    case unresolved(String)
    /// The other side broke the connection, or the system gave it up.
    case reset
    /// This side has closed the line, or its loop has stopped.
    case closed
    /// The task that waited was cancelled.
    case cancelled
    /// Nothing happened within the time allowed.
    case deadline
    /// The TLS session failed; the text says how.
    case tls(String)
    /// The process or the machine has no descriptor left.
    case tooManyDescriptors
    /// Somebody else listens on this address.
    case addressInUse
    /// Text that is no socket address.
    case badAddress(String)
    /// Any other error number of the system.
    case system(Int32)

    init(errno number: Int32) {
        self =
            switch number {
            case ECONNREFUSED: .refused
            case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN, EADDRNOTAVAIL: .unreachable
            case ECONNRESET, EPIPE, ECONNABORTED, ENOTCONN: .reset
            case ETIMEDOUT: .deadline
            case EMFILE, ENFILE: .tooManyDescriptors
            case EADDRINUSE: .addressInUse
            default: .system(number)
            }
    }
}

extension LineError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .refused: "connection refused: nothing listens on that port"
        case .unreachable: "host unreachable: no route to it, or the network is down"
        case .unresolved(let name): "the name \(name) has no address"
        case .reset: "the other side broke the connection"
        case .closed: "the line is closed"
        case .cancelled: "the wait was cancelled"
        case .deadline: "no answer in time"
        case .tls(let text): "TLS: \(text)"
        case .tooManyDescriptors: "no file descriptors left (see ulimit -n)"
        case .addressInUse: "the address is in use by another process"
        case .badAddress(let text): "\(text) is not an address; write 127.0.0.1:77, [::1]:77, *:77 or name:77"
        case .system(let number): "system error \(number): \(String(cString: strerror(number)))"
        }
    }
}
