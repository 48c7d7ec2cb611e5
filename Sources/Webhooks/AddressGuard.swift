package import Lines

/// Decides where a webhook may go: the URL by its text, then every address of its host. The socket filter in C and the check
/// before the request stand behind it and ask the same `AddressFilter`.
package final class AddressGuard: Sendable {
    package struct Settings: Sendable {
        /// Networks that may be called although the table forbids them.
        package var allowNetworks: [Network] = []
        /// Never called: this machine's own public addresses.
        package var denyNetworks: [Network] = []
        /// Plain http anywhere. Without it plain http goes only to addresses inside `allowNetworks`.
        package var allowPlainHTTP = false
        /// Ports from 1024 up that are refused: other services, and our own listeners.
        package var denyPorts = AddressGuard.knownPorts
        /// Only 443 and 8443.
        package var isStrictAboutPorts = false

        package init() {}
    }

    /// Services that answer to lines that a webhook could carry.
    package static let knownPorts: Set<Int> = [
        1433, 1521, 2049, 2181, 2375, 2376, 2379, 2380, 3128, 3306, 3389, 5432, 5672, 5900, 5984, 6000, 6379, 6443,
        6667,
        9042, 9092, 9200, 9300, 10250, 11211, 27017,
    ]

    package let filter: AddressFilter
    private let settings: Settings
    private let resolver: NameResolver

    package init(settings: Settings = Settings(), resolver: NameResolver = .system) {
        self.settings = settings
        self.resolver = resolver
        filter = AddressFilter(allowed: settings.allowNetworks, denied: settings.denyNetworks)
    }

    /// What the text alone tells, for the moment of submission: no name is resolved.
    package func check(url text: String) throws(RefusedURL) -> WebhookURL {
        let url = try WebhookURL(text)
        // With a network allowed by name, a host name may turn out to lie in it.
        guard url.isTLS || settings.allowPlainHTTP || filter.allowsAnyNetwork else { throw .plainHTTP }
        guard isAllowed(port: url.port, isTLS: url.isTLS) else {
            throw settings.isStrictAboutPorts ? .strictPort : .port
        }
        if let address = url.literal {
            guard isAllowed(address, isTLS: url.isTLS) else { throw .forbiddenAddress }
        } else if url.host == "localhost" || url.host.hasSuffix(".localhost") {
            guard !filter.isForbidden(.loopback) || !filter.isForbidden(.loopbackV6) else { throw .forbiddenAddress }
        }
        return url
    }

    /// The addresses of the URL's host, all of them permitted.
    ///
    /// - Throws: `.resolveFailed`; `.blockedAddress` when a single one of them is forbidden, so that a mixed answer opens
    ///   nothing.
    package func addresses(of url: WebhookURL) async throws(SendFailure) -> [IPAddress] {
        let addresses: [IPAddress]
        if let literal = url.literal {
            addresses = [literal]
        } else {
            switch await resolver.addresses(url.host) {
            case .success(let found): addresses = found.map(\.unmapped)
            case .failure: throw .resolveFailed
            }
        }
        guard !addresses.isEmpty else { throw .resolveFailed }
        guard addresses.allSatisfy({ isAllowed($0, isTLS: url.isTLS) }) else { throw .blockedAddress }
        return addresses
    }

    private func isAllowed(_ address: IPAddress, isTLS: Bool) -> Bool {
        !filter.isForbidden(address) && (isTLS || settings.allowPlainHTTP || filter.isAllowedByName(address))
    }

    private func isAllowed(port: Int, isTLS: Bool) -> Bool {
        if settings.isStrictAboutPorts { return port == 443 || port == 8443 }
        return port == 443 || !isTLS && port == 80 || port >= 1024 && !settings.denyPorts.contains(port)
    }
}
