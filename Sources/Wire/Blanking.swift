/// Takes credentials out of texts that are told back or written down: somebody has put a key into a path, a name, a header.
package enum Blanking {
    /// `rje_live_Yd7aQ0bX_***` for a key of the gateway, `eyJ***` for a JSON Web Token.
    package static func blanked(_ text: String) -> String {
        guard text.contains("rje_") || text.contains("eyJ") else { return text }
        return text.replacing(/(rje_[a-z0-9]{1,12}_[0-9A-Za-z]{8}_)[0-9A-Za-z]+/) { "\($0.output.1)***" }
            .replacing(/eyJ[0-9A-Za-z_\-]{5,}\.[0-9A-Za-z_.\-]*/) { _ in "eyJ***" }
    }
}
