/// What a deck's JCL asks for.
package struct JobDefinition: Equatable, Sendable {
    package var name = ""
    package var programmer = ""
    /// Of the job card; A without one.
    package var jobClass: JobClass = .standard
    /// 0 to 15.
    package var priority = JobDefinition.usualPriority
    package var messageClass: UInt8 = 0x41
    package var isHeld = false
    /// TYPRUN=SCAN: the JCL is read, nothing is run.
    package var isScanOnly = false
    package var conditions: [Condition] = []
    package var steps: [Step] = []
    package var errors: [JCLError] = []
    package var listing: [ListingLine] = []
    /// The card, from 0, of a second job card in the deck.
    package var secondJobCard: Int?

    package static let usualPriority = 7

    package struct Step: Equatable, Sendable {
        /// Empty when the statement has none.
        package var name = ""
        package var statement = 0
        package var program = ""
        package var parameter = ""
        package var conditions: [Condition] = []
        package var runs = WhenAbended.not
        package var dataSets: [DataDefinition] = []
    }

    /// EVEN and ONLY of COND.
    package enum WhenAbended: Equatable, Sendable { case not, even, only }

    /// One test of COND: the step is bypassed when `code` stands in `relation` to the return code.
    package struct Condition: Equatable, Sendable {
        package let code: Int
        package let relation: Relation
        /// nil for every step before.
        package let step: String?

        package init(code: Int, relation: Relation, step: String?) {
            self.code = code
            self.relation = relation
            self.step = step
        }

        package enum Relation: String, Sendable { case GT, GE, EQ, NE, LT, LE }

        func holds(for returnCode: Int) -> Bool {
            switch relation {
            case .GT: code > returnCode
            case .GE: code >= returnCode
            case .EQ: code == returnCode
            case .NE: code != returnCode
            case .LT: code < returnCode
            case .LE: code <= returnCode
            }
        }
    }

    package struct DataDefinition: Equatable, Sendable {
        package var name: String
        package var statement: Int
        /// One, or several that are read one after the other.
        package var sources: [Source]
        /// RECFM with an A: the first character of each record is carriage control.
        package var hasCarriageControl = false

        package enum Source: Equatable, Sendable {
            /// Cards of the deck, by index.
            case inStream(Range<Int>)
            /// A SYSOUT class, A-Z 0-9.
            case sysout(UInt8)
            case dummy
            /// `&&NAME`, which lives as long as the job.
            case temporary(String)
            /// A data set of a name that this host does not have.
            case missing(String)
        }
    }

    package enum ListingLine: Equatable, Sendable {
        /// A card of the deck; the number of the statement that begins with it.
        case card(Int, statement: Int?)
        /// A statement the reader made up.
        case generated(String, statement: Int)
    }
}

/// A message of the converter, which keeps the job from running.
package struct JCLError: Equatable, Sendable {
    package let statement: Int
    package let text: String

    package init(statement: Int, text: String) {
        self.statement = statement
        self.text = text
    }
}

/// A-Z or 0-9.
package struct JobClass: Hashable, Sendable, CustomStringConvertible {
    package let octet: UInt8
    package static let standard = JobClass(unchecked: 0x41)
    /// In the order in which initiators name them: letters, then digits.
    package static let all: [JobClass] = (Array(UInt8(0x41)...0x5A) + Array(UInt8(0x30)...0x39)).map(
        JobClass.init(unchecked:))

    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == 1, let octet = text.utf8.first else { return nil }
        self.init(octet: octet)
    }

    package init?(octet: UInt8) {
        guard (0x41...0x5A).contains(octet) || (0x30...0x39).contains(octet) else { return nil }
        self.octet = octet
    }

    private init(unchecked octet: UInt8) { self.octet = octet }

    /// 0 to 35, its place in `all`.
    var place: Int { octet >= 0x41 ? Int(octet) - 0x41 : Int(octet) - 0x30 + 26 }

    package var description: String { String(UnicodeScalar(octet)) }
}
