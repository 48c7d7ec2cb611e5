package import Lines

/// The proxies before us, and how each tells who its client is. From anybody else such words count for nothing.
package struct Proxies: Equatable, Sendable {
    package enum Word: String, CaseIterable, Sendable {
        /// A PROXY v2 header before the first octet of the connection.
        case proxyV2 = "proxy-v2"
        /// The field of RFC 7239.
        case forwarded
        /// `X-Forwarded-For` and `X-Forwarded-Proto`.
        case xForwardedFor = "x-forwarded-for"
    }

    package struct Entry: Equatable, Sendable {
        /// nil: whoever comes by a socket of the file system.
        package var network: Network?
        package var word: Word

        package init(network: Network?, word: Word) {
            self.network = network
            self.word = word
        }
    }

    package var entries: [Entry]

    package init(_ entries: [Entry] = []) { self.entries = entries }

    /// How this neighbour tells its client; nil: it is no proxy of ours. The first entry that fits decides.
    package func word(of neighbour: IPAddress?) -> Word? {
        entries.first { entry in
            guard let network = entry.network else { return neighbour == nil }
            return neighbour.map(network.contains) ?? false
        }?.word
    }

    /// Who the client of a request is, and whether it speaks TLS to the first of our proxies.
    ///
    /// Read from the right, because every proxy adds what it saw there: as far as those who say it are ours. What they call
    /// unknown, or what is no address, leaves it at the proxy that said so.
    package func client(of head: RequestHead, neighbour: SocketAddress?, isTLS: Bool) -> (SocketAddress?, Bool) {
        guard !entries.isEmpty, let word = word(of: neighbour?.ip), word != .proxyV2 else { return (neighbour, isTLS) }
        var client = neighbour
        var isTLS = isTLS
        for hop in hops(head, word).reversed() {
            if let scheme = hop.scheme { isTLS = scheme == "https" }
            guard let address = hop.address else { break }
            client = address
            guard self.word(of: address.ip) == word else { break }
        }
        return (client, isTLS)
    }

    private struct Hop {
        var address: SocketAddress?
        var scheme: String?
    }

    private func hops(_ head: RequestHead, _ word: Word) -> [Hop] {
        switch word {
        case .proxyV2: return []
        case .forwarded:
            return QuotedList.split(head["forwarded"] ?? "", at: ",").map { element in
                var hop = Hop()
                for pair in QuotedList.split(element, at: ";") {
                    guard let equals = pair.firstIndex(of: "=") else { continue }
                    let value = QuotedList.unquoted(QuotedList.trim(pair[pair.index(after: equals)...]))
                    switch QuotedList.trim(pair[..<equals]).lowercased() {
                    case "for": hop.address = Proxies.node(value)
                    case "proto": hop.scheme = value.lowercased()
                    default: break
                    }
                }
                return hop
            }
        case .xForwardedFor:
            let schemes = (head["x-forwarded-proto"] ?? "").split(separator: ",").map {
                QuotedList.trim($0).lowercased()
            }
            let nodes = (head["x-forwarded-for"] ?? "").split(separator: ",")
            return nodes.enumerated().map { index, node in
                // One scheme is that of the last hop; several go with the addresses.
                let scheme: String? =
                    schemes.count == nodes.count ? schemes[index] : index == nodes.count - 1 ? schemes.last : nil
                return Hop(address: Proxies.node(QuotedList.trim(node)), scheme: scheme)
            }
        }
    }

    /// `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::9`, `[2001:db8::9]:4711`.
    private static func node(_ text: String) -> SocketAddress? {
        if let ip = IPAddress(text) { return SocketAddress(ip.unmapped, port: 0) }
        guard let parts = HostPort(text, defaultPort: 0), let ip = IPAddress(parts.host) else { return nil }
        return SocketAddress(ip.unmapped, port: UInt16(clamping: parts.port))
    }
}
