package import Jobs
package import Wire

/// Whom we believe, and what of his tokens means what here.
package struct IssuerRules: Equatable, Sendable {
    /// What `iss` must be, to the letter.
    package var issuer: String
    /// `aud` must name one of these.
    package var audiences: Set<String>
    package var algorithms = Set(SigningAlgorithm.allCases)
    /// The claim that names the owner.
    package var ownerClaim = "sub"
    /// All tokens of this issuer are one owner's; goes before `ownerClaim`.
    package var owner: Owner?
    package var scopeClaim = "scope"
    /// What stands before each of our scopes in that claim; those without it are others' and passed over.
    package var scopesPrefix = ""
    /// What this issuer can grant at most. Not `admin` unless it is said.
    package var mostScopes = Scopes(Scope.allCases.filter { $0 != .admin })
    /// Clocks differ by so much at most.
    package var leeway = Duration.seconds(60)

    package init(issuer: String, audiences: Set<String>) {
        self.issuer = issuer
        self.audiences = audiences
    }
}

/// Whom a token stands for.
package struct TokenGrant: Equatable, Sendable {
    package let owner: Owner
    package let scopes: Scopes
    /// Who it was, for the audit log: `sub`.
    package let subject: String
    /// The last moment it can be used, the leeway in.
    package let until: Timestamp
}

extension IssuerRules {
    /// What the claims of a token say whose signature is right.
    package func grant(_ claims: JSONValue, at now: Timestamp) throws(TokenFault) -> TokenGrant {
        guard claims["iss"]?.string == issuer else { throw .unknownIssuer }
        switch claims["aud"] {
        case .string(let audience)? where audiences.contains(audience): break
        case .array(let list)? where list.contains(where: { audiences.contains($0.string ?? "") }): break
        default: throw .wrongAudience
        }
        let until = try checkTimes(claims, at: now)
        let owner = try owner(claims)
        let subject = claims["sub"]?.string.map { String($0.prefix(128)) } ?? owner.description
        return TokenGrant(owner: owner, scopes: try scopes(claims), subject: subject, until: until)
    }

    /// Seconds as doubles: no claim can overflow them.
    private func checkTimes(_ claims: JSONValue, at now: Timestamp) throws(TokenFault) -> Timestamp {
        let time = Double(now.microseconds) / 1e6
        let slack = leeway / .seconds(1)
        func moment(_ name: String) throws(TokenFault) -> Double? {
            guard let claim = claims[name] else { return nil }
            guard let seconds = claim.double else { throw .badClaim(name) }
            return seconds
        }
        guard let end = try moment("exp") else { throw .badClaim("exp") }
        guard time < end + slack else { throw .expired }
        if let begin = try moment("nbf"), time < begin - slack { throw .notYetValid }
        if let issued = try moment("iat"), time < issued - slack { throw .notYetValid }
        return Timestamp(microseconds: Int64(min(end + slack, 9e12) * 1e6))
    }

    private func owner(_ claims: JSONValue) throws(TokenFault) -> Owner {
        if let owner { return owner }
        // `local` is who runs the gateway: nobody becomes that from outside.
        guard let text = claims[ownerClaim]?.string, let owner = Owner(text), owner != .local else {
            throw .badClaim(ownerClaim)
        }
        return owner
    }

    /// One text with blanks between (RFC 8693), or a list.
    private func scopes(_ claims: JSONValue) throws(TokenFault) -> Scopes {
        let words: [String]
        switch claims[scopeClaim] {
        case nil: words = []
        case .string(let text)?: words = text.split(separator: " ").map(String.init)
        case .array(let list)?: words = list.compactMap(\.string)
        default: throw .badClaim(scopeClaim)
        }
        let ours = words.filter { $0.hasPrefix(scopesPrefix) }
            .compactMap { Scope(rawValue: String($0.dropFirst(scopesPrefix.count))) }
        return Scopes(ours).limited(to: mostScopes)
    }
}
