extension RFC407 {
    /// A command line. Section 4.
    package enum Command: Equatable, Sendable {
        case reinit
        case user(String)
        case pass(String)
        case bye
        /// INID, or INUSER as the RFC has it in another place.
        case inID(String)
        case inPass(String)
        case inPath(FileID)
        case input(FileID?)
        /// ABORT without operand: the input.
        case abortInput
        case outUser(String)
        case outPass(String)
        /// The empty file name is the primary print file.
        case out(file: String, Disposition)
        case change(job: String, file: String, Disposition)
        case transmission(Verb, count: Int, Target)
        case status(job: String?, file: String?)
        case cancel(job: String)
        case alter(job: String, String)
        /// nil: no text any more.
        case op(String?)
    }

    /// What is done to a file that is being sent, or was. Section 6.
    package enum Verb: String, CaseIterable, Sendable {
        case restart = "RESTART"
        case recover = "RECOVER"
        case back = "BACK"
        case skip = "SKIP"
        case abort = "ABORT"
        case hold = "HOLD"
    }

    package enum Target: Equatable, Sendable {
        /// `@`: whatever is being sent there.
        case place(FileID)
        case file(job: String, file: String)
    }
}

extension RFC407.Command {
    /// - Parameter octets: the line without its end.
    /// - Throws: the complaint that is its reply.
    package init(parsing octets: some Collection<UInt8>) throws(RFC407.Complaint) {
        let line = RFC407.trimmed(RFC407.text(octets))
        let word = line.prefix { $0 != " " && $0 != "=" }
        let rest = RFC407.trimmed(line.dropFirst(word.count))
        let keyword = word.uppercased()
        switch keyword {
        case "REINIT": self = try Self.alone(.reinit, rest)
        case "BYE": self = try Self.alone(.bye, rest)
        case "USER": self = .user(try Self.final(rest))
        case "PASS": self = .pass(try Self.final(rest))
        case "INID", "INUSER": self = .inID(try Self.final(rest))
        case "INPASS": self = .inPass(try Self.final(rest))
        case "OUTUSER": self = .outUser(try Self.final(rest))
        case "OUTPASS": self = .outPass(try Self.final(rest))
        case "INPATH": self = .inPath(try RFC407.FileID(parsing: try Self.final(rest)))
        case "INPUT": self = .input(rest.isEmpty ? nil : try RFC407.FileID(parsing: try Self.final(rest)))
        case "OUT":
            let (left, disposition) = try Self.assignment(rest)
            guard left.count <= 1 else { throw RFC407.Complaint(501, "OUT names one file") }
            self = .out(file: try Self.word(left.first ?? ""), disposition)
        case "CHANGE":
            let (left, disposition) = try Self.assignment(rest)
            let (job, file) = try Self.jobAndFile(left)
            self = .change(job: job, file: file ?? "", disposition)
        case "ABORT" where rest.isEmpty: self = .abortInput
        case "STATUS":
            if rest.isEmpty {
                self = .status(job: nil, file: nil)
            } else {
                let (job, file) = try Self.jobAndFile(Self.words(rest))
                self = .status(job: job, file: file)
            }
        case "CANCEL":
            let (job, file) = try Self.jobAndFile(Self.words(rest))
            guard file == nil else { throw RFC407.Complaint(501, "CANCEL takes a job only") }
            self = .cancel(job: job)
        case "ALTER": self = try Self.alter(rest)
        case "OP": self = .op(rest.isEmpty ? nil : String(rest))
        default:
            guard let verb = RFC407.Verb(rawValue: keyword) else { throw RFC407.Complaint(500, "Not recognised") }
            self = try Self.transmission(verb, rest)
        }
    }

    private static func alone(_ command: Self, _ rest: Substring) throws(RFC407.Complaint) -> Self {
        guard rest.isEmpty else { throw RFC407.Complaint(501, "Nothing can follow this word") }
        return command
    }

    /// The last element of a line, after an optional `=`.
    private static func final(_ rest: Substring) throws(RFC407.Complaint) -> String {
        let text = RFC407.trimmed(rest.first == "=" ? rest.dropFirst() : rest)
        guard !text.isEmpty else { throw RFC407.Complaint(502, "A parameter is missing") }
        return String(text)
    }

    private static func words(_ text: some StringProtocol) -> [Substring] { Substring(text).split(separator: " ") }

    private static func word(_ text: Substring) throws(RFC407.Complaint) -> String {
        guard text.isEmpty || RFC407.isWord(text) else { throw RFC407.Complaint(501, "This is no name") }
        return String(text)
    }

    /// Cuts at the first `=`, which must be there.
    private static func assignment(
        _ rest: Substring
    ) throws(RFC407.Complaint) -> ([Substring], RFC407.Disposition) {
        guard let sign = rest.firstIndex(of: "=") else {
            throw RFC407.Complaint(502, "The = and a disposition are missing")
        }
        return (words(rest[..<sign]), try RFC407.Disposition(parsing: rest[rest.index(after: sign)...]))
    }

    /// A leading JOB is a noise word when another follows. Section 13.
    private static func jobAndFile(
        _ words: [Substring]
    ) throws(RFC407.Complaint) -> (job: String, file: String?) {
        let words = words.count > 1 && words[0].uppercased() == "JOB" ? Array(words.dropFirst()) : words
        guard let job = words.first else { throw RFC407.Complaint(502, "A job is missing") }
        guard words.count <= 2 else { throw RFC407.Complaint(501, "More words than a job and a file") }
        return (try word(job), words.count == 2 ? try word(words[1]) : nil)
    }

    private static func alter(_ rest: Substring) throws(RFC407.Complaint) -> Self {
        var words = words(rest)
        var text = rest
        if words.count > 2, words[0].uppercased() == "JOB" {
            text = RFC407.trimmed(text.dropFirst(3))
            words.removeFirst()
        }
        guard words.count > 1 else { throw RFC407.Complaint(502, "ALTER takes a job and what to change") }
        return .alter(job: try word(words[0]), String(RFC407.trimmed(text.dropFirst(words[0].count))))
    }

    private static func transmission(_ verb: RFC407.Verb, _ rest: Substring) throws(RFC407.Complaint) -> Self {
        var words = words(rest)
        var text = rest
        var count = 1
        // without a word behind it a number is the job-id
        if words.count > 1, let number = RFC407.integer(words[0]) {
            guard verb == .back || verb == .skip else { throw RFC407.Complaint(503, "Only BACK and SKIP count") }
            count = Int(clamping: number)
            text = RFC407.trimmed(text.dropFirst(words[0].count))
            words.removeFirst()
        }
        if text.first == "@" {
            return .transmission(verb, count: count, .place(try RFC407.FileID(parsing: text.dropFirst())))
        }
        let (job, file) = try jobAndFile(words)
        return .transmission(verb, count: count, .file(job: job, file: file ?? ""))
    }

    /// The line to send, without its end. Senders write every radix letter.
    package var text: String {
        switch self {
        case .reinit: "REINIT"
        case .user(let user): "USER=\(user)"
        case .pass(let password): "PASS=\(password)"
        case .bye: "BYE"
        case .inID(let user): "INID=\(user)"
        case .inPass(let password): "INPASS=\(password)"
        case .inPath(let file): "INPATH=\(file.text)"
        case .input(let file): file.map { "INPUT=\($0.text)" } ?? "INPUT"
        case .abortInput: "ABORT"
        case .outUser(let user): "OUTUSER=\(user)"
        case .outPass(let password): "OUTPASS=\(password)"
        case .out(let file, let disposition): "OUT\(file.isEmpty ? "" : " " + file)=\(disposition.text)"
        case .change(let job, let file, let disposition):
            "CHANGE \(job)\(file.isEmpty ? "" : " " + file) = \(disposition.text)"
        case .transmission(let verb, let count, let target):
            verb.rawValue + (count == 1 ? "" : " D\(count)")
                + {
                    switch target {
                    case .place(let file): " @\(file.text)"
                    case .file(let job, let file): " \(job)" + (file.isEmpty ? "" : " " + file)
                    }
                }()
        case .status(let job, let file): "STATUS" + (job.map { " " + $0 } ?? "") + (file.map { " " + $0 } ?? "")
        case .cancel(let job): "CANCEL \(job)"
        case .alter(let job, let text): "ALTER \(job) \(text)"
        case .op(let text): text.map { "OP \($0)" } ?? "OP"
        }
    }

    /// Whether the line says what is meant: no word with a blank in it, no secret that begins or ends with one.
    package var isSayable: Bool {
        func isFile(_ file: RFC407.FileID) -> Bool {
            if case .path(_, _, let name) = file { RFC407.isFinal(name) } else { true }
        }
        func isWord(_ text: String) -> Bool { text.isEmpty || RFC407.isWord(text) }
        let isSound: Bool
        switch self {
        case .reinit, .bye, .abortInput, .op(nil), .input(nil), .status(nil, nil): isSound = true
        case .status(nil, .some): isSound = false
        case .user(let text), .pass(let text), .inID(let text), .inPass(let text), .outUser(let text),
            .outPass(let text):
            // the optional `=` would swallow one of theirs only when it is left out, and we never do
            isSound = RFC407.isFinal(text)
        case .op(let text?): isSound = RFC407.isFinal(text)
        case .inPath(let file), .input(let file?): isSound = isFile(file)
        case .out(let file, let disposition):
            isSound = isWord(file) && { if case .send(let file, _) = disposition { isFile(file) } else { true } }()
        case .change(let job, let file, let disposition):
            isSound =
                RFC407.isWord(job) && isWord(file)
                && { if case .send(let file, _) = disposition { isFile(file) } else { true } }()
        case .transmission(_, let count, .place(let file)): isSound = count > 0 && isFile(file)
        case .transmission(_, let count, .file(let job, let file)):
            isSound = count > 0 && RFC407.isWord(job) && isWord(file)
        case .status(let job?, let file): isSound = RFC407.isWord(job) && isWord(file ?? "")
        case .cancel(let job): isSound = RFC407.isWord(job)
        case .alter(let job, let text): isSound = RFC407.isWord(job) && RFC407.isFinal(text)
        }
        return isSound && text.unicodeScalars.count <= RFC407.longestLine
    }
}
