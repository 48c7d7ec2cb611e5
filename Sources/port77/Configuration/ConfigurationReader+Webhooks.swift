import Glibc
import Lines
import Webhooks
import Yams

extension Configuration {
    struct Webhooks: Equatable, Sendable {
        var secret: Secret?
        var allowNetworks: [String] = []
        var allowPlainHTTP = false
        /// Calls go to 443 and 8443 only.
        var isStrictAboutPorts = false
        /// Calls under way at a time, to all receivers.
        var mostInFlight = 512
        /// This gateway as receivers reach it, for a consent that comes later; no trailing slash.
        var callback: String?
        var authorities: String?

        /// More would want more descriptors than a process gets.
        static let inFlight = 1...8192

        func checkAuthorities() throws(ConfigurationFault) {
            guard let file = authorities, access(file, R_OK) != 0 else { return }
            throw ConfigurationFault(line: 0, column: 0, words: "webhooks: the authorities in \(file) cannot be read")
        }
    }
}

extension ConfigurationReader {
    mutating func readWebhooks(_ node: Node, into webhooks: inout Configuration.Webhooks) {
        let known = [
            "secret", "allow_networks", "allow_plain_http", "strict_ports", "calls_at_a_time", "ca", "callback",
        ]
        guard let members = members(of: node, named: "webhooks", known: known) else { return }
        if let secret = members["secret"] { webhooks.secret = readSecret(secret, "secret") }
        if let ca = members["ca"] { webhooks.authorities = string(ca, "ca") }
        if let callback = members["callback"], let text = string(callback, "callback") {
            if let url = Self.callback(text) {
                webhooks.callback = url
            } else {
                fault(callback, "callback is the https:// URL at which receivers reach this gateway, without a query")
            }
        }
        if let plain = members["allow_plain_http"].flatMap({ flag($0, "allow_plain_http") }) {
            webhooks.allowPlainHTTP = plain
        }
        if let strict = members["strict_ports"].flatMap({ flag($0, "strict_ports") }) {
            webhooks.isStrictAboutPorts = strict
        }
        if let most = members["calls_at_a_time"].flatMap({
            number($0, "calls_at_a_time", Configuration.Webhooks.inFlight)
        }) {
            webhooks.mostInFlight = most
        }
        if let networks = members["allow_networks"] {
            guard let sequence = networks.sequence else {
                fault(networks, "allow_networks is a list such as [127.0.0.0/8, 10.1.0.0/16]")
                return
            }
            for item in sequence {
                guard let text = string(item, "allow_networks") else { continue }
                if Network(text) == nil {
                    fault(item, "\(text) is no network; write ADDRESS/BITS")
                } else {
                    webhooks.allowNetworks.append(text)
                }
            }
        }
    }

    private static func callback(_ text: String) -> String? {
        guard text.hasPrefix("https://"), let url = try? WebhookURL(text), !url.text.contains("?") else { return nil }
        return url.text.hasSuffix("/") ? String(url.text.dropLast()) : url.text
    }
}
