import Crypto
import Foundation
package import Jobs
import Synchronization
import Wire

/// Says whom a bearer token stands for. Called on the loops: it never waits.
package final class TokenVerifier: Sendable {
    package struct Issuer: Sendable {
        package let rules: IssuerRules
        package let keeper: KeySetKeeper

        package init(_ rules: IssuerRules, keys keeper: KeySetKeeper) {
            self.rules = rules
            self.keeper = keeper
        }
    }

    private struct Known {
        let grant: TokenGrant
        let issuer: Int
        let generation: Int
        let until: Timestamp
    }

    private let issuers: [Issuer]
    private let clock: WallClock
    /// Tokens that were good a moment ago, by their hash: a signature costs more than most requests.
    private let known = Mutex<[SHA256.Digest: Known]>([:])

    private static let mostKnown = 1024
    private static let longestKnown = Duration.seconds(60)

    package init(_ issuers: [Issuer], clock: WallClock = .system) {
        self.issuers = issuers
        self.clock = clock
    }

    package func start() {
        for issuer in issuers { issuer.keeper.start() }
    }

    package func stop() {
        for issuer in issuers { issuer.keeper.stop() }
    }

    /// Whether a credential is for us to judge: keys of the gateway have no dots.
    package static func isToken(_ text: some StringProtocol) -> Bool { text.utf8.count { $0 == 0x2E } == 2 }

    package func grant(for text: some StringProtocol) throws(TokenFault) -> TokenGrant {
        guard text.utf8.count <= CompactToken.longest else { throw .tooLong(limit: CompactToken.longest) }
        let now = clock.now()
        let hash = SHA256.hash(data: Array(text.utf8))
        if let known = known.withLock({ $0[hash] }), now < known.until,
            issuers[known.issuer].keeper.keys?.generation == known.generation
        {
            return known.grant
        }
        let token = try CompactToken(parsing: text)
        guard let name = token.claims["iss"]?.string,
            let index = issuers.firstIndex(where: { $0.rules.issuer == name })
        else { throw .unknownIssuer }
        let issuer = issuers[index]
        guard issuer.rules.algorithms.contains(token.algorithm) else {
            throw .algorithmRefused(token.algorithm.rawValue)
        }
        guard let keys = issuer.keeper.keys else { throw .keysAwaited }
        do throws(TokenFault) {
            try keys.set.check(token)
        } catch {
            guard error == .unknownKey, issuer.keeper.keyMissed() else { throw error }
            throw .keysAwaited
        }
        let grant = try issuer.rules.grant(token.claims, at: now)
        let until = min(grant.until, now.advanced(by: Self.longestKnown))
        known.withLock { known in
            if known.count >= Self.mostKnown { known = [:] }
            known[hash] = Known(grant: grant, issuer: index, generation: keys.generation, until: until)
        }
        return grant
    }
}
