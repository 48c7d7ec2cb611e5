extension RFC407 {
    /// An answer or a notice: a code, its text, and the lines that continue it. Section 8.
    package struct Reply: Equatable, Sendable {
        /// 0 to 999.
        package var code: Int
        package var text: String
        /// Without the blanks that mark them.
        package var more: [String]

        package init(_ code: Int, _ text: String, more: [String] = []) {
            self.code = code
            self.text = text
            self.more = more
        }

        package init(_ complaint: Complaint) { self.init(complaint.code, complaint.text) }

        /// As lines of octets, cut to what a line can hold; TELNET still has to double 255.
        package var octets: [UInt8] {
            func line(_ head: String, _ text: String) -> [UInt8] {
                let text = RFC407.octets(text).map { ($0 & 0x7F) < 0x20 || $0 == 0x7F ? 0x3F : $0 }
                return Array(head.utf8) + text.prefix(RFC407.longestLine - 4) + [0x0D, 0x0A]
            }
            let digits = String(1_000 + max(0, min(999, code))).dropFirst()
            return line("\(digits) ", text) + more.flatMap { line("    ", $0) }
        }

        /// Everything it says, with blanks between the lines.
        package var wholeText: String { ([text] + more).joined(separator: " ") }
    }

    /// What a line of the host is.
    package enum ReplyLine: Equatable, Sendable {
        case numbered(code: Int, text: String)
        /// Of the numbered line before it.
        case continuation(String)
        /// Neither: for the log.
        case other(String)

        package init(parsing octets: [UInt8]) {
            if octets.starts(with: [0x20, 0x20, 0x20, 0x20]) {
                self = .continuation(RFC407.text(octets[4...]))
            } else if octets.count >= 3, octets[..<3].allSatisfy({ (0x30...0x39).contains($0) }),
                octets.count == 3 || octets[3] == 0x20
            {
                let code = octets[..<3].reduce(0) { $0 * 10 + Int($1 & 15) }
                self = .numbered(code: code, text: RFC407.text(octets.dropFirst(4)))
            } else {
                self = .other(RFC407.text(octets))
            }
        }
    }
}

extension RFC407 {
    /// The job-id that a 260 tells. Section 8.6; the phrase of UCSB comes first, because there the reply may begin with the
    /// name of an older job.
    package static func acceptedJob(in text: String) -> String? {
        let words = text.split(separator: " ").map(String.init)
        for at in words.indices where words[at].uppercased() == "ASSIGNED" {
            let phrase = words[at...].prefix(5).map { $0.uppercased() }
            let place =
                phrase.starts(with: ["ASSIGNED", "JOBID", "IS"])
                ? at + 3 : phrase.starts(with: ["ASSIGNED", "JOB", "ID", "IS"]) ? at + 4 : nil
            guard let place, words.indices.contains(place) else { continue }
            let word = words[place].hasSuffix(".") ? String(words[place].dropLast()) : words[place]
            if isWord(word) { return word }
        }
        return jobID(in: words)
    }

    /// The job-id in the text of a notice.
    package static func job(in text: String) -> String? { jobID(in: text.split(separator: " ").map(String.init)) }

    private static func jobID(in words: [String]) -> String? {
        func clean(_ word: String) -> String { String(word.reversed().drop { ".,;:".contains($0) }.reversed()) }
        if words.count > 1, words[0].uppercased() == "JOB" {
            let word = clean(words[1])
            return isWord(word) ? word : nil
        }
        return words.lazy.map(clean).first { word in
            guard (2...8).contains(word.utf8.count), let first = word.utf8.first else { return false }
            return (0x41...0x5A).contains(first) && word.utf8.dropFirst().allSatisfy { (0x30...0x39).contains($0) }
        }
    }
}
