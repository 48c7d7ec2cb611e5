import Lines

extension Configuration {
    /// One place to listen at, as configured.
    struct Listen: Equatable, Sendable {
        enum Spot: Equatable, Sendable {
            case place(ListenPlace)
            /// Sockets that the service manager has opened: all of them, or those of one name.
            case passed(name: String?)
        }

        var spot: Spot
        /// Of a socket of the file system.
        var mode: UInt16?
        /// Without TLS, also when there is a certificate.
        var isClear = false

        init(_ spot: Spot, mode: UInt16? = nil, isClear: Bool = false) {
            self.spot = spot
            self.mode = mode
            self.isClear = isClear
        }

        static let words =
            "ADDRESS:PORT such as 127.0.0.1:8077 or [::1]:8077 (port 0 takes a free one), unix:/PATH, fd:NUMBER, systemd or "
            + "systemd:NAME"

        /// `127.0.0.1:8077`, `localhost:8077`, `*:8077`, `unix:/run/port77.sock`, `fd:3`, `systemd`, `systemd:api`.
        init?(_ text: String) {
            if text == "systemd" {
                self.init(.passed(name: nil))
            } else if text.hasPrefix("systemd:"), text.utf8.count > 8 {
                self.init(.passed(name: String(text.dropFirst(8))))
            } else if text.hasPrefix("fd:") {
                guard let descriptor = CInt(text.dropFirst(3)), descriptor > 2 else { return nil }
                self.init(.place(.inherited(descriptor: descriptor)))
            } else {
                let isName = text.hasPrefix("localhost:")
                guard let place = ListenPlace(isName ? "127.0.0.1:" + text.dropFirst("localhost:".count) : text) else {
                    return nil
                }
                self.init(.place(place))
            }
        }

        /// - Parameter source: the flag or variable that the texts come from.
        static func list(_ texts: [String], from source: String) throws(ConfigurationFault) -> [Listen] {
            var all: [Listen] = []
            for text in texts {
                guard let one = Listen(text) else {
                    throw ConfigurationFault(line: 0, column: 0, words: "\(source): \(text) is not \(words)")
                }
                all.append(one)
            }
            return all
        }
    }

    struct ServerTLS: Equatable, Sendable {
        var files: TLSServerSettings.Files
        /// Browsers are told to come back by TLS only.
        var isStrict = true
    }
}
