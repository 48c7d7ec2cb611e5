/// Who does something by hand, as the audit log names him.
package struct Principal: Equatable, Sendable {
    /// `key:ID`, `jwt:SUBJECT`, `certificate:SUBJECT`, or the owner where nobody is asked who he is.
    package var name: String
    package var owner: Owner
    /// Where he asked from, if that is known.
    package var address: String?

    package init(name: String, owner: Owner, address: String? = nil) {
        self.name = name
        self.owner = owner
        self.address = address
    }

    package static let local = Principal(name: Owner.local.description, owner: .local)
    /// `port77 keys` on the gateway's own machine.
    package static let console = Principal(name: "console", owner: .local)
}
