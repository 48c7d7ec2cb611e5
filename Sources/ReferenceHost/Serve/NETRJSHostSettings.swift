package import Lines
package import Protocols
import Wire

/// How a reference host serves NETRJS, profile N1; the options of `port77 host --netrjs`.
package struct NETRJSHostSettings: Sendable {
    /// Where terminals of one character set make contact.
    package struct Contact: Equatable, Sendable {
        package var address: SocketAddress
        package var characterSet: NETRJS.CharacterSet

        package init(_ address: SocketAddress, _ characterSet: NETRJS.CharacterSet) {
            self.address = address
            self.characterSet = characterSet
        }
    }

    /// Data ports.
    package enum DataPorts: Equatable, Sendable {
        /// An even number of free ports for each session, told before READY.
        case announced
        /// For all sessions; each is known by its client's address.
        case fixed(reader: Int, printer: Int, punch: Int)
    }

    package struct Terminal: Equatable, Sendable {
        package var id: String
        /// nil: SIGNON needs none.
        package var password: String?
        package var form: NETRJS.Form
        /// Broken output begins anew; otherwise about a page before what may have come.
        package var startsOver: Bool

        package init(
            _ id: String, password: String? = nil, form: NETRJS.Form = .truncated, startsOver: Bool = true
        ) {
            self.id = id
            self.password = password
            self.form = form
            self.startsOver = startsOver
        }
    }

    /// The first is the one whose address is told.
    package var contacts: [Contact]
    package var dataPorts = DataPorts.announced
    /// Empty: the host's users whose names can be terminals'.
    package var terminals: [Terminal] = []
    /// For the operator of each terminal, at sign-on and on ALERT.
    package var alerts: [String] = []
    package var signOnLimit = NETRJS.signOnLimit
    package var dataLimit = NETRJS.dataLimit
    package var halfCloseLimit = NETRJS.halfCloseLimit
    package var mostSessions = 200

    /// `--netrjs ADDRESS`: ASCII-68 there.
    package init(listen: SocketAddress, characterSet: NETRJS.CharacterSet = .ascii68) {
        contacts = [Contact(listen, characterSet)]
    }

    package var listen: SocketAddress {
        get { contacts.first?.address ?? SocketAddress(.loopback, port: 73) }
        set { if contacts.isEmpty { contacts = [Contact(newValue, .ascii68)] } else { contacts[0].address = newValue } }
    }

    func terminals(orUsers users: [HostSettings.User]) -> [Terminal] {
        if !terminals.isEmpty { return terminals }
        return users.compactMap { user in
            let id = user.name.uppercased()
            return NETRJS.isName(id) ? Terminal(id, password: user.password.isEmpty ? nil : user.password) : nil
        }
    }
}

/// Between a terminal's code and the host's own, in which decks are read and output is printed.
struct TerminalTranslation: Sendable {
    /// 256 entries each.
    let toHost: [UInt8]
    let toTerminal: [UInt8]
    let isIdentity: Bool

    init(_ set: NETRJS.CharacterSet, host: CodePage) {
        let identity = (0...255).map { UInt8($0) }
        switch (set, host) {
        case (.ascii68, .ascii):
            toHost = identity
            toTerminal = identity
        case (.ascii63, .ascii):
            toHost = NETRJS.betweenASCIIs
            toTerminal = NETRJS.betweenASCIIs
        case (.ebcdic, .ascii):
            toHost = NETRJS.fromEBCDIC(.ascii68)
            toTerminal = NETRJS.toEBCDIC(.ascii68)
        case (_, .cp037), (_, .cp1047):
            toHost = NETRJS.toEBCDIC(set)
            toTerminal = NETRJS.fromEBCDIC(set)
        }
        isIdentity = toHost == identity && toTerminal == identity
    }
}
