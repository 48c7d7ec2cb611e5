extension RFC407 {
    /// What holds for one job: frozen when its INPUT begins, then overridden by its `NET` cards.
    package struct JobSettings: Equatable, Sendable {
        /// A file's disposition, with the identity under which FTP delivers it; nil: the job's.
        package struct Output: Equatable, Sendable {
            package var disposition: Disposition
            package var user: String?
            package var password: String?

            package init(_ disposition: Disposition, user: String? = nil, password: String? = nil) {
                self.disposition = disposition
                self.user = user
                self.password = password
            }
        }

        /// FTP identities; nil: the log-on's.
        package var inUser: String?
        package var inPassword: String?
        package var outUser: String?
        package var outPassword: String?
        /// By file name; what is not here is held.
        package var outputs: [String: Output] = [:]
        /// For the host's operator when the job starts.
        package var operatorText: String?

        package init() {}
    }

    /// Takes the `NET` cards from the front of a deck. Section 7; they are not passed on.
    ///
    /// Give it the records in order until it answers false: that record and all behind it are the deck's.
    package struct NetCards: Equatable, Sendable {
        /// What the cards changed.
        package private(set) var settings: JobSettings
        /// 507 to 512, without the job-id.
        package private(set) var faults: [Complaint] = []
        private var command: [UInt8]?
        private var isOver = false

        /// Faults kept; a deck of bad cards must not become a flood of replies. Our bound.
        package static let mostFaults = 20

        package init(_ settings: JobSettings) { self.settings = settings }

        /// - Parameter record: in ASCII or Latin-1.
        /// - Returns: whether it was a `NET` card.
        package mutating func take(_ record: [UInt8]) -> Bool {
            guard !isOver, record.starts(with: Array("NET".utf8)) else {
                finish()
                return false
            }
            let isContinuation = record.count > 3 && record[3] == 0x2B
            if isContinuation, command != nil {
                // Every blank counts but those of the last record.
                guard (command?.count ?? 0) + record.count <= RFC407.longestLine else {
                    fault(Complaint(501, "The card and its continuations are too long"))
                    command = []
                    return true
                }
                command?.append(contentsOf: record.dropFirst(4))
            } else {
                obey()
                if isContinuation {
                    fault(Complaint(501, "A continuation of nothing"))
                } else {
                    command = Array(record.dropFirst(3))
                }
            }
            return true
        }

        /// The deck has ended, or begins.
        package mutating func finish() {
            obey()
            isOver = true
        }

        private mutating func obey() {
            guard let text = command else { return }
            command = nil
            if text.isEmpty { return }
            guard text.first == 0x20 else { return fault(Complaint(500, "Not recognised")) }
            do throws(Complaint) {
                switch try Command(parsing: text) {
                case .outUser(let user): settings.outUser = user
                case .outPass(let password): settings.outPassword = password
                case .out(let file, let disposition):
                    settings.outputs[canonicalFile(file)] = JobSettings.Output(
                        disposition, user: settings.outUser, password: settings.outPassword)
                case .op(let text): settings.operatorText = text
                default: fault(Complaint(500, "No command for a card"))
                }
            } catch {
                fault(error)
            }
        }

        private mutating func fault(_ complaint: Complaint) {
            guard faults.count < Self.mostFaults else { return }
            faults.append(Complaint(complaint.code + 7, complaint.text))
        }
    }

    /// `print` is another name of the primary print file.
    package static func canonicalFile(_ name: String) -> String { name.lowercased() == "print" ? "" : name }
    package static func shownFile(_ name: String) -> String { name.isEmpty ? "print" : name }
}
