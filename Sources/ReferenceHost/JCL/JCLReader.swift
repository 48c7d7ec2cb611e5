/// Reads the JCL of one deck: which cards are statements, which are data, and what the statements ask for. Faults do
/// not stop it; they are collected with the number of their statement, as a converter lists them.
///
/// Source: IBM SA23-1385, z/OS MVS JCL Reference, for the statements named here; everything else is an error.
package struct JCLReader {
    private let deck: CardDeck
    private var job = JobDefinition()
    private var statements = 0
    /// Data cards being read into the last data set of the last step.
    private var data: DataEnd?
    private var dataStart = 0

    private struct DataEnd {
        /// Two characters that end the data; they are not data themselves.
        let delimiter: [UInt8]
        /// `DD *`: a JCL statement ends the data, too.
        let endsAtStatement: Bool
    }

    package static func read(_ deck: CardDeck) -> JobDefinition {
        var reader = JCLReader(deck: deck)
        reader.readAll()
        return reader.job
    }

    /// The name on a job card, nil when this is none (the name may still be one that no job can have).
    package static func jobName(on card: ArraySlice<UInt8>) -> String? {
        guard card.starts(with: [0x2F, 0x2F]), !card.starts(with: [0x2F, 0x2F, 0x2A]) else { return nil }
        let head = Statement.head(of: card)
        return head.operation == "JOB" ? head.name : nil
    }

    private init(deck: CardDeck) { self.deck = deck }

    private mutating func readAll() {
        var at = 0
        var isOver = false
        while at < deck.count {
            let card = deck[at]
            if let data {
                let isDelimiter = card.starts(with: data.delimiter)
                if isDelimiter || (data.endsAtStatement && card.starts(with: [0x2F, 0x2F])) {
                    endData(at: at)
                    if isDelimiter { at += 1 }
                } else {
                    at += 1
                }
            } else if isOver {
                // after a null statement cards are skipped up to the next job, which one deck may not hold
                if JCLReader.jobName(on: card) != nil { job.secondJobCard = job.secondJobCard ?? at }
                at += 1
            } else if card.starts(with: [0x2F, 0x2F, 0x2A]) {
                job.listing.append(.card(at, statement: nil))
                at += 1
            } else if card.starts(with: [0x2F, 0x2F]) {
                if card.dropFirst(2).prefix(69).allSatisfy({ $0 == 0x20 }) {
                    statements += 1
                    job.listing.append(.card(at, statement: statements))
                    isOver = true
                    at += 1
                } else {
                    at = readStatement(at)
                }
            } else if card.starts(with: [0x2F, 0x2A]) {
                if card.count > 2 && card[card.startIndex + 2] != 0x20 {
                    job.listing.append(.card(at, statement: nil))  // a control statement of JES: listed, not obeyed
                }
                at += 1
            } else {
                beginGeneratedData(at: at)
            }
        }
        if data != nil { endData(at: deck.count) }
        if statements == 0 { statements = 1 }
        if job.steps.isEmpty && job.errors.isEmpty { fail("IEFC607I JOB HAS NO STEPS") }
    }

    private mutating func fail(_ text: String) {
        job.errors.append(JCLError(statement: statements, text: text))
    }

    // MARK: data

    private mutating func endData(at end: Int) {
        data = nil
        guard let step = job.steps.indices.last, let last = job.steps[step].dataSets.indices.last,
            let source = job.steps[step].dataSets[last].sources.indices.last
        else { return }
        job.steps[step].dataSets[last].sources[source] = .inStream(dataStart..<max(dataStart, end))
    }

    /// Data without a DD statement belong to SYSIN.
    private mutating func beginGeneratedData(at card: Int) {
        statements += 1
        job.listing.append(
            .generated("//SYSIN    DD *                            GENERATED STATEMENT", statement: statements))
        data = DataEnd(delimiter: [0x2F, 0x2A], endsAtStatement: true)
        dataStart = card
        guard let step = job.steps.indices.last else { return fail("IEFC019I MISPLACED DD STATEMENT") }
        job.steps[step].dataSets.append(
            .init(name: "SYSIN", statement: statements, sources: [.inStream(card..<card)]))
    }

    // MARK: statements

    /// - Returns: the card after the statement.
    private mutating func readStatement(_ first: Int) -> Int {
        statements += 1
        let statement = Statement(deck: deck, at: first)
        for card in statement.cards {
            job.listing.append(.card(card, statement: card == first ? statements : nil))
        }
        if let fault = statement.fault { fail(fault) }
        if !statement.name.isEmpty, statement.operation != "JOB", !isLabel(statement.name) {
            fail("IEFC662I INVALID LABEL")
        }
        var operands: [Operand] = []
        do {
            operands = try Operand.all(statement.operands)
        } catch {
            switch error {
            case .unbalanced: fail("IEFC622I UNBALANCED PARENTHESIS")
            case .apostrophe:
                if statement.fault == nil { fail("IEFC629I INCORRECT USE OF APOSTROPHE IN THE OPERAND FIELD") }
            }
        }
        switch statement.operation {
        case "JOB":
            if statements == 1 {
                job.name = statement.name
                readJob(operands)
            } else {
                job.secondJobCard = job.secondJobCard ?? first
            }
        case "EXEC": readStep(statement.name, operands)
        case "DD": readDataDefinition(statement.name, operands, nextCard: statement.cards.upperBound)
        default: fail("IEFC605I UNIDENTIFIED OPERATION FIELD")
        }
        return statement.cards.upperBound
    }

    /// A DD name may be qualified: STEP.DD.
    private func isLabel(_ name: String) -> Bool {
        name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy(isName)
    }

    private static let otherJobKeywords: Set<String> = [
        "ADDRSPC", "BYTES", "CARDS", "GROUP", "JOBRC", "LINES", "MEMLIMIT", "MSGLEVEL", "NOTIFY", "PAGES", "PASSWORD",
        "PERFORM", "RD", "REGION", "RESTART", "SCHENV", "SECLABEL", "SYSAFF", "SYSTEM", "TIME", "USER",
    ]

    private mutating func readJob(_ operands: [Operand]) {
        var positional = 0
        for operand in operands {
            guard let key = operand.key else {
                positional += 1
                if positional == 2 { job.programmer = String(operand.unquoted.prefix(20)) }
                continue
            }
            let value = operand.unquoted
            switch key {
            case "CLASS":
                if let jobClass = JobClass(value) { job.jobClass = jobClass } else { failValue("CLASS") }
            case "MSGCLASS":
                if let outputClass = JobClass(value) {
                    job.messageClass = outputClass.octet
                } else {
                    failValue("MSGCLASS")
                }
            case "PRTY":
                if let priority = Int(value), (0...15).contains(priority) {
                    job.priority = priority
                } else {
                    failValue("PRTY")
                }
            case "TYPRUN":
                switch value {
                case "HOLD", "JCLHOLD": job.isHeld = true
                case "SCAN": job.isScanOnly = true
                default: failValue("TYPRUN")
                }
            case "COND": job.conditions = readConditions(operand, mayTakeAbends: false).tests
            default:
                if !JCLReader.otherJobKeywords.contains(key) { fail("IEFC630I UNIDENTIFIED KEYWORD \(key.prefix(8))") }
            }
        }
    }

    private mutating func failValue(_ field: String) { fail("IEFC641I INCORRECT VALUE IN THE \(field) FIELD") }

    private static let otherStepKeywords: Set<String> = [
        "ACCT", "ADDRSPC", "DPRTY", "DYNAMNBR", "MEMLIMIT", "PERFORM", "RD", "REGION", "TIME",
    ]

    private mutating func readStep(_ name: String, _ operands: [Operand]) {
        var step = JobDefinition.Step(name: name, statement: statements)
        for (index, operand) in operands.enumerated() {
            guard let key = operand.key else {
                if index == 0 {
                    fail("IEFC612I PROCEDURE \(operand.value.prefix(8)) WAS NOT FOUND")
                } else {
                    fail("IEFC603I POSITIONAL PARAMETER OUT OF PLACE")
                }
                continue
            }
            switch key {
            case "PGM":
                step.program = operand.unquoted
                if !isName(step.program) { failValue("PGM") }
            case "PROC": fail("IEFC612I PROCEDURE \(operand.value.prefix(8)) WAS NOT FOUND")
            case "PARM":
                step.parameter = operand.parts.joined(separator: ",")
                if step.parameter.utf8.count > 100 { fail("IEFC642I EXCESSIVE PARAMETER LENGTH IN THE PARM FIELD") }
            case "COND":
                let read = readConditions(operand, mayTakeAbends: true)
                step.conditions = read.tests
                step.runs = read.runs
            default:
                if !JCLReader.otherStepKeywords.contains(key) { fail("IEFC630I UNIDENTIFIED KEYWORD \(key.prefix(8))") }
            }
        }
        if operands.isEmpty { fail("IEFC644I MISSING PGM OR PROCEDURE IN THE EXEC STATEMENT") }
        job.steps.append(step)
        if job.steps.count > 255 { fail("IEFC602I EXCESSIVE NUMBER OF EXECUTE STATEMENTS") }
    }

    private mutating func readDataDefinition(_ name: String, _ operands: [Operand], nextCard: Int) {
        let read = JCLReader.dataDefinition(operands, messageClass: job.messageClass)
        for error in read.errors { fail(error) }
        var source = read.source ?? .dummy
        if let data = read.data {
            source = .inStream(nextCard..<nextCard)
            self.data = DataEnd(delimiter: data.delimiter, endsAtStatement: data.isStar)
            dataStart = nextCard
        }
        guard let step = job.steps.indices.last else { return fail("IEFC019I MISPLACED DD STATEMENT") }
        if name.isEmpty, let last = job.steps[step].dataSets.indices.last {
            job.steps[step].dataSets[last].sources.append(source)
        } else {
            job.steps[step].dataSets.append(
                .init(
                    name: name, statement: statements, sources: [source], hasCarriageControl: read.hasCarriageControl))
        }
    }

    /// `(4,LT)`, `(4,LT,STEP1)`, `((4,LT),(8,EQ,STEP1),EVEN)`, `EVEN`, `ONLY`.
    private mutating func readConditions(
        _ operand: Operand, mayTakeAbends: Bool
    ) -> (tests: [JobDefinition.Condition], runs: JobDefinition.WhenAbended) {
        var tests: [JobDefinition.Condition] = []
        var runs = JobDefinition.WhenAbended.not
        let parts = operand.parts
        let isList = parts.contains { $0.hasPrefix("(") } || ["EVEN", "ONLY"].contains(parts.first ?? "")
        for test in isList ? parts.map({ Operand(key: nil, value: $0).parts }) : [parts] {
            if test == ["EVEN"], mayTakeAbends {
                runs = .even
            } else if test == ["ONLY"], mayTakeAbends {
                runs = .only
            } else if (2...3).contains(test.count), let code = Int(test[0]), (0...4095).contains(code),
                let relation = JobDefinition.Condition.Relation(rawValue: test[1])
            {
                let step = test.count == 3 ? test[2] : nil
                if let step, !job.steps.contains(where: { $0.name == step }) {
                    fail("IEFC650I STEP \(step.prefix(8)) IN THE COND FIELD WAS NOT FOUND")
                }
                tests.append(.init(code: code, relation: relation, step: step))
            } else {
                failValue("COND")
            }
        }
        if tests.count > 8 { failValue("COND") }
        return (tests, runs)
    }
}
