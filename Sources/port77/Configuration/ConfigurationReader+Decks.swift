import Engine
import Jobs
import Yams

extension ConfigurationReader {
    static let deckMembers = ["control_cards", "template", "templates", "symbols"]

    /// What a host puts into decks, and what they may hold.
    mutating func readDecks(_ members: [String: Node]) -> DeckCustoms {
        var decks = DeckCustoms()
        if let node = members["control_cards"] { decks.controlCards = readControlCards(node) }
        if let node = members["template"], let cards = readTemplate(node, "template") {
            decks.templates[DeckCustoms.usualTemplate] = cards
        }
        if let node = members["templates"] { readTemplates(node, into: &decks) }
        if let node = members["symbols"] { decks.symbols = readSymbols(node) }
        return decks
    }

    private mutating func readControlCards(_ node: Node) -> ControlCards {
        if let sequence = node.sequence {
            var families: Set<ControlCards.Family> = []
            var beginnings: [String] = []
            for item in sequence {
                guard let text = string(item, "control_cards") else { continue }
                if let family = ControlCards.Family(rawValue: text) {
                    families.insert(family)
                } else if let first = text.utf8.first, !(0x61...0x7A).contains(first), text.utf8.count <= 71 {
                    beginnings.append(text)
                } else {
                    fault(item, "\(text) is neither \(Self.families) nor what a card begins with")
                }
            }
            return ControlCards(families, beginnings: beginnings)
        }
        switch node.scalar?.string {
        case "refuse"?: return .usual
        case "allow"?: return .allowed
        default:
            fault(node, "control_cards is refuse, allow, or a list of \(Self.families) and of what refused cards begin with")
            return .usual
        }
    }

    private static let families = ControlCards.Family.allCases.map(\.rawValue).joined(separator: ", ")

    private mutating func readTemplates(_ node: Node, into decks: inout DeckCustoms) {
        guard let mapping = node.mapping else {
            return fault(node, "templates is a list of NAME: {text: CARDS} or NAME: {file: PATH}")
        }
        for (key, value) in mapping {
            guard let name = key.string, (1...64).contains(name.utf8.count), name.utf8.allSatisfy(isTokenOctet),
                name != "none"
            else {
                fault(key, "the name of a template is 1 to 64 of a-z, A-Z, 0-9, dot, underscore and hyphen, and not none")
                continue
            }
            guard let cards = readTemplate(value, name) else { continue }
            if decks.templates.updateValue(cards, forKey: name) != nil {
                fault(key, "the template \(name) is there twice; template is the one called \(DeckCustoms.usualTemplate)")
            }
        }
    }

    private mutating func readTemplate(_ node: Node, _ name: String) -> [String]? {
        guard let members = members(of: node, named: name, known: ["text", "file"]) else { return nil }
        let text: String
        switch (members["text"], members["file"]) {
        case (let node?, nil):
            guard let given = string(node, "text") else { return nil }
            text = given
        case (nil, let node?):
            guard let path = string(node, "file") else { return nil }
            guard let octets = readSmallFile(path), let given = String(validating: octets, as: UTF8.self) else {
                fault(node, "the template's file \(path) cannot be read as UTF-8")
                return nil
            }
            text = given
        default:
            fault(node, "\(name) is either {text: CARDS} or {file: PATH}")
            return nil
        }
        var cards = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.map(String.init)
        while cards.last?.isEmpty ?? false { cards.removeLast() }
        guard (1...50).contains(cards.count), cards[0].hasPrefix("//"), cards.allSatisfy(DeckSymbols.isValue) else {
            fault(
                node,
                "\(name) is 1 to 50 cards without control characters; the first is a job card such as //${JOBNAME} JOB (${ACCT})")
            return nil
        }
        var wishes = DeckRewriter.Wishes()
        wishes.symbols = DeckSymbols()
        var rewriter = DeckRewriter(wishes, longestCard: DeckRewriter.longestLine)
        for (index, card) in cards.enumerated() { _ = rewriter.take(Array(card.utf8), number: index + 1) }
        for found in rewriter.faults where found.code == .badSymbol {
            fault(node, "\(name), card \(found.line), column \(found.column): \(found.detail)")
        }
        return cards
    }

    private mutating func readSymbols(_ node: Node) -> [String: String] {
        guard let mapping = node.mapping else {
            fault(node, "symbols is a list of NAME: VALUE")
            return [:]
        }
        var symbols: [String: String] = [:]
        for (key, value) in mapping {
            guard let name = key.string.flatMap({ DeckSymbols.name($0) }) else {
                fault(key, "a symbol's name is 1 to 32 of A-Z, 0-9 and underscore, the first a letter")
                continue
            }
            guard let text = value.scalar?.string, DeckSymbols.isValue(text) else {
                fault(value, "a symbol's value is at most \(DeckSymbols.longestValue) octets without control characters")
                continue
            }
            if symbols.updateValue(text, forKey: name) != nil { fault(key, "the symbol \(name) is there twice") }
        }
        return symbols
    }
}
