package import Jobs
import Protocols

extension NETRJSStation {
    /// A line of ours on the console as it is kept: a sign-on without its password.
    package static func shown(_ octets: [UInt8]) -> Frame {
        var bytes = octets
        while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
        if bytes.starts(with: "SIGNON ".utf8), let comma = bytes.firstIndex(of: 0x2C) {
            bytes.replaceSubrange((comma + 1)..., with: "***".utf8)
        }
        return Frame(at: WallClock.system.now(), .out, octets: octets.count, bytes)
    }

    /// What the host says while we sign on, and of the deck on the reader; the console tells of other jobs as well.
    func record(_ message: NETRJS.ConsoleMessage, isSigningOn: Bool) {
        let line = message.text
        if isSigningOn {
            head.add(Frame(at: WallClock.system.now(), .in, octets: line.utf8.count + 2, line.utf8))
        } else if let reading, message.text.contains(reading.name) {
            reading.tape?.add(line: line, .in)
        }
    }
}
