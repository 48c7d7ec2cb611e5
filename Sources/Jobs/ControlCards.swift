import Wire

/// The cards of a deck that the reader of a host obeys itself, instead of passing them on to the job, and which of them a host's decks
/// may not hold.
///
/// Source: the readers of JES2, JES3, HASP, POWER, OS/360 RJE, RSCS, NOS RBF and RFC 407 as collected in `docs/decks.md`.
package struct ControlCards: Equatable, Sendable {
    package enum Family: String, CaseIterable, Sendable {
        /// Who the station is: sign-on and sign-off cards.
        case session
        /// Where the stream ends, and whose it is.
        case stream
        /// Operator commands, run with the station's authority.
        case command
        /// Where a job runs and its output goes, and messages to people: usual in JCL, refused only when named.
        case routing
    }

    package var families: Set<Family>
    /// Cards that begin so are refused as well, wherever they stand; in capitals.
    package var beginnings: [String]

    package init(_ families: Set<Family>, beginnings: [String] = []) {
        self.families = families
        self.beginnings = beginnings.map { $0.uppercased() }
    }

    package static let allowed = ControlCards([])
    package static let usual = ControlCards([.session, .stream, .command])

    /// What a card is to a reader.
    package struct Finding: Equatable, Sendable {
        /// nil: of the host's own list.
        package let family: Family?
        /// The card as the table names it.
        package let card: String
        package let reason: String
    }

    package enum Place: Equatable, Sendable {
        /// Before the job card.
        case front
        case statement
        /// Data of a `DD *` or `DD DATA`.
        case inStream
    }

    package func refuses(_ finding: Finding) -> Bool { finding.family.map(families.contains) ?? true }

    /// - Parameters:
    ///   - card: in ASCII or UTF-8.
    ///   - isContinued: the statement before goes on in this card.
    package func finding(in card: [UInt8], at place: Place, isContinued: Bool = false) -> Finding? {
        if !beginnings.isEmpty {
            let text = Self.folded(card)
            if let own = beginnings.first(where: { text.starts(with: $0.utf8) }) {
                return Finding(family: nil, card: own, reason: "the host's list of control cards names it")
            }
        }
        // Most cards of a deck are told by their first octets.
        guard let first = card.first, Self.beginsRule(first, at: place) else { return nil }
        if first == 0x2F, card.count > 1, card[1] == 0x2F {
            if card.count > 2, card[2] != 0x2A {
                guard place == .statement, !isContinued, let command = Self.operatorCommand(card) else { return nil }
                return Finding(family: .command, card: command, reason: "MVS runs it as an operator command")
            }
            guard card.count > 3, Self.beginsRule(comment: card[3]) else { return nil }
        }
        let text = Self.folded(card)
        for rule in Self.rules where rule.applies(at: place) && rule.matches(text) {
            return Finding(family: rule.family, card: rule.text, reason: rule.reason)
        }
        return nil
    }

    // MARK: the table

    private struct Rule: Sendable {
        let text: String
        let family: Family
        /// Where a reader obeys it.
        let places: Set<Int>
        /// The card is nothing else; otherwise it begins so.
        let isWhole: Bool
        let reason: String

        init(_ text: String, _ family: Family, _ places: [Int], isWhole: Bool = false, _ reason: String) {
            self.text = text
            self.family = family
            self.places = Set(places)
            self.isWhole = isWhole
            self.reason = reason
        }

        func applies(at place: Place) -> Bool {
            switch place {
            case .front: places.contains(ControlCards.front)
            case .statement: places.contains(ControlCards.outside)
            case .inStream: places.contains(ControlCards.inside)
            }
        }

        func matches(_ card: [UInt8]) -> Bool {
            guard card.starts(with: text.utf8) else { return false }
            return !isWhole || card.dropFirst(text.utf8.count).allSatisfy { $0 == 0x20 }
        }
    }

    private static let front = 0
    private static let outside = 1
    private static let inside = 2
    private static let anywhere = [front, outside, inside]
    private static let notInData = [front, outside]
    private static let routingReason = "JES2 sends the job, its output or a message elsewhere by it"

    private static let rules: [Rule] = [
        Rule("/*SIGNON", .session, anywhere, "JES2 signs the line on anew by it, even amid the data of a job"),
        Rule("/*SIGNOFF", .session, anywhere, "JES2 ends the session by it, even amid the data of a job"),
        Rule("$SIGNON", .session, [front], "MTS and HASP sign the line on by it"),
        Rule("$SIGNOFF", .session, anywhere, isWhole: true, "MTS ends the session by it"),
        Rule("/*EOR", .stream, anywhere, isWhole: true, "RBF ends a record of the file by it"),
        Rule("/*EOI", .stream, anywhere, isWhole: true, "RBF throws the rest of the stream away after it"),
        Rule("/*EOF", .stream, anywhere, isWhole: true, "a reader may end the file by it"),
        Rule("NET", .stream, [front], "RFC 407 servers take it as a command that sends the output elsewhere"),
        Rule("ID ", .stream, [front], "RSCS reads in it whose file this is"),
        Rule("/JOB", .stream, notInData, "VM batch reads user and password in it"),
        Rule("/*$", .command, notInData, "JES2 and HASP run it as an operator command"),
        Rule("$", .command, [front], "HASP and MTS run it as a command"),
        Rule("..", .command, notInData, "OS/360 RJE runs it as a terminal command"),
        Rule("* ..", .command, notInData, "POWER runs it as a terminal command"),
        Rule("* $$", .command, anywhere, "POWER takes it as job entry control"),
        Rule("//**", .command, [front], "JES3 runs it as an operator command"),
        Rule("/*PRIORITY", .routing, notInData, routingReason),
        Rule("/*ROUTE", .routing, [outside], routingReason),
        Rule("/*OUTPUT", .routing, [outside], routingReason),
        Rule("/*JOBPARM", .routing, [outside], routingReason),
        Rule("/*MESSAGE", .routing, [outside], routingReason),
        Rule("/*NOTIFY", .routing, [outside], routingReason),
        Rule("/*SETUP", .routing, [outside], routingReason),
        Rule("/*XEQ", .routing, [outside], routingReason),
        Rule("/*XMIT", .routing, [outside], routingReason),
        Rule("/*NETACCT", .routing, [outside], routingReason),
        Rule("//*MAIN", .routing, [outside], "JES3 reads in it where the job runs and its output goes"),
        Rule("//*ROUTE", .routing, [outside], "JES3 runs the job elsewhere by it"),
        Rule("//*NET", .routing, [outside], "JES3 makes the job wait for others by it"),
    ]

    /// What the cards of the table begin with: all other cards are passed at once.
    private static func beginsRule(_ first: UInt8, at place: Place) -> Bool {
        switch first {
        case 0x2F, 0x24, 0x2E, 0x2A: true  // / $ . *
        case 0x4E, 0x6E, 0x49, 0x69: place == .front  // N n I i
        default: false
        }
    }

    /// - Parameter comment: what stands behind `//*`.
    private static func beginsRule(comment octet: UInt8) -> Bool {
        switch octet {
        case 0x2A, 0x4D, 0x6D, 0x52, 0x72, 0x4E, 0x6E: true  // * M m R r N n
        default: false
        }
    }

    private static func folded(_ card: [UInt8]) -> [UInt8] {
        card.prefix(72).map { (0x61...0x7A).contains($0) ? $0 - 0x20 : $0 }
    }

    /// Commands that MVS takes from `// COMMAND operands` in a deck; SET is not among them, because JCL has a statement of that name.
    private static let commands: Set<String> = [
        "A", "ACTIVATE", "C", "CANCEL", "CF", "CH", "CHNGDUMP", "COMMAND", "CONFIG", "CONTROL", "D", "DEVSERV",
        "DISPLAY",
        "DS", "DUMP", "E", "F", "FORCE", "HALT", "I", "K", "L", "LIBRARY", "LOG", "LOGOFF", "LOGON", "M", "MODE",
        "MODIFY", "MN",
        "MONITOR", "MOUNT", "MSGRT", "P", "PA", "PAGEADD", "PAGEDEL", "PD", "QUIESCE", "R", "RELEASE", "REPLY", "RESET",
        "RO",
        "ROUTE", "S", "SE", "SEND", "SETDMN", "SETETR", "SETIOS", "SETPROG", "SETSMF", "SETSSI", "SETXCF", "SLIP",
        "START", "STOP",
        "STOPMN", "SWAP", "SWITCH", "T", "TRACE", "U", "UNLOAD", "V", "VARY", "W", "WRITELOG", "Z",
    ]

    /// - Parameter card: `//` and no comment.
    private static func operatorCommand(_ card: [UInt8]) -> String? {
        let isNamed = card[2] != 0x20
        // A named statement is JCL, of which COMMAND alone is one; without a name it may be an operator's.
        let operation = card[2..<min(card.count, 71)].drop { isNamed && $0 != 0x20 }.drop { $0 == 0x20 }.prefix {
            $0 != 0x20
        }
        guard (1...longestCommand).contains(operation.count) else { return nil }
        let word = String(decoding: operation, as: UTF8.self).uppercased()
        if isNamed { return word == "COMMAND" ? "// COMMAND" : nil }
        return commands.contains(word) ? "// \(word)" : nil
    }

    private static let longestCommand = 8
}

/// Whether a JCL statement goes on in the next card.
///
/// Source: z/OS MVS JCL Reference, "Continuing statements": it does when its operands end with a comma before column 72, or in an open
/// quotation.
struct StatementContinuation: Equatable, Sendable {
    private(set) var isOpen = false
    /// It goes on inside a quotation.
    private(set) var isQuoted = false

    /// - Parameter operands: of this card, up to column 71.
    mutating func read(_ operands: ArraySlice<UInt8>) {
        var last: UInt8 = 0
        for octet in operands.drop(while: { $0 == 0x20 }) {
            if octet == 0x27 { isQuoted.toggle() }
            if octet == 0x20 || octet == 0x0D, !isQuoted { break }
            last = octet
        }
        isOpen = isQuoted || last == 0x2C
        if !isOpen { isQuoted = false }
    }

    /// - Parameter statement: `//` and more, no comment.
    mutating func read(statement: ArraySlice<UInt8>) {
        guard !isOpen else { return read(statement.dropFirst(2)) }
        let isNamed = statement.dropFirst(2).first != 0x20
        let fields = statement.dropFirst(2).split(separator: 0x20, maxSplits: isNamed ? 2 : 1)
        read(fields.count > (isNamed ? 2 : 1) ? fields[fields.endIndex - 1] : [])
    }
}
