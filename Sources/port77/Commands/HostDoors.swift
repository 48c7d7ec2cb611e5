import ArgumentParser
import Lines
import Protocols
import ReferenceHost

/// Where the reference host serves the protocols beside PRIV-RJE.
struct HostDoors: ParsableArguments {
    @Option(help: "ADDRESS:PORT for RFC 407, whose own port is 5; port 0 takes a free one.")
    var rfc407: String?

    @Option(help: "Port of the FTP servers to which RFC 407 users may send the host.")
    var rfc407FTPPort: UInt16 = 21

    @Option(help: "A further address to which RFC 407 users may send the host, beside their own. May be given again.")
    var rfc407Allow: [String] = []

    @Option(help: "ADDRESS:PORT for NETRJS, whose own ports are 71, 73 and 74; port 0 takes a free one.")
    var netrjs: String?

    @Option(help: "What NETRJS terminals read and print in: ascii-68, ascii-63 or ebcdic.")
    var netrjsCharacterSet = NETRJS.CharacterSet.ascii68.rawValue

    func apply(to settings: inout HostSettings) throws {
        if let rfc407 {
            var door = RFC407HostSettings()
            door.listen = try Self.address(rfc407, "--rfc407")
            door.ftp = HostFTP()
            door.ftpPort = rfc407FTPPort
            door.allowed = Set(
                try rfc407Allow.map { text in
                    guard let address = IPAddress(text) else {
                        throw ValidationError("--rfc407-allow takes a numeric address, not \(text)")
                    }
                    return address
                })
            settings.rfc407 = door
        }
        if let netrjs {
            guard let set = NETRJS.CharacterSet(rawValue: netrjsCharacterSet) else {
                let known = NETRJS.CharacterSet.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("--netrjs-character-set is one of \(known)")
            }
            settings.netrjs = NETRJSHostSettings(listen: try Self.address(netrjs, "--netrjs"), characterSet: set)
        }
    }

    private static func address(_ text: String, _ option: String) throws -> SocketAddress {
        let spelled = text.hasPrefix("localhost:") ? "127.0.0.1:" + text.dropFirst("localhost:".count) : text
        guard let address = SocketAddress(spelled) else {
            throw ValidationError("\(option) takes ADDRESS:PORT, not \(text)")
        }
        return address
    }

    static func lines(of host: BatchHost) -> [String] {
        (host.rfc407Address.map { ["port77 host rfc407 \($0)"] } ?? [])
            + (host.netrjsAddresses ?? []).map { "port77 host netrjs \($0)" }
    }
}
