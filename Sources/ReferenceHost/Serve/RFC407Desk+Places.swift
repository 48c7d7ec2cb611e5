import Lines
import Protocols

extension RFC407Desk {
    /// The same file with its host written out: without one it is the station's.
    func named(_ place: RFC407.FileID, from peer: IPAddress) -> RFC407.FileID {
        let own: RFC407.HostField =
            if case .v4(let number) = peer, number > 255 { .number(number) } else { .name("\(peer)") }
        switch place {
        case .socket(nil, let port, let attributes): return .socket(own, port: port, attributes)
        case .path(nil, let attributes, let name): return .path(own, attributes, pathname: name)
        case .socket, .path: return place
        }
    }

    /// An address to which a connection may be made: the station's own, and those configured.
    private func address(_ host: RFC407.HostField?, for peer: IPAddress) async throws -> IPAddress {
        var found: [IPAddress] = []
        switch host {
        case nil: found = [peer]
        case .number(let number) where number < 256:
            found = settings.hostNumbers[UInt8(truncatingIfNeeded: number)].map { [$0] } ?? []
        case .number(let number): found = [.v4(number)]
        case .name(let name):
            if let address = IPAddress(name) {
                found = [address.unmapped]
            } else {
                found = try await Resolver.resolve(name, port: 1, within: settings.connectLimit).map(\.ip.unmapped)
            }
        }
        guard let address = found.first(where: { $0 == peer || settings.allowed.contains($0) }) else {
            throw RFC407Refusal(text: "\(host?.text ?? "The host") is not on the list of allowed hosts")
        }
        return address
    }

    /// Opens a direct connection.
    ///
    /// - Throws: `RFC407Refusal` when it is not allowed, `LineError` when it failed.
    func connect(to place: RFC407.FileID, for peer: IPAddress, on loop: EventLoop) async throws -> TCPLine {
        guard case .socket(let host, let port, _) = place, let port = UInt16(exactly: port) else {
            throw RFC407Refusal(text: "This is no socket")
        }
        guard settings.allowedPorts.contains(port) else { throw RFC407Refusal(text: "Port \(port) is not allowed") }
        let address = try await address(host, for: peer)
        return try await TCPLine.connect(
            to: SocketAddress(address, port: port), on: loop, timeout: settings.connectLimit)
    }

    func ftpFile(
        _ place: RFC407.FileID, for peer: IPAddress, user: String, password: String
    ) async throws -> RFC407FTPFile {
        guard case .path(let host, let attributes, let name) = place else {
            throw RFC407Refusal(text: "This is no path")
        }
        return RFC407FTPFile(
            address: SocketAddress(try await address(host, for: peer), port: settings.ftpPort), user: user,
            password: password, pathname: name, attributes: attributes)
    }
}
