extension JCLReader {
    /// Operands of DD that this host reads and does nothing with.
    static let otherDataKeywords: Set<String> = [
        "AVGREC", "BLKSIZE", "BURST", "CHARS", "COPIES", "DATACLAS", "DEST", "DISP", "DSORG", "EXPDT", "FCB", "FLASH",
        "FREE", "HOLD", "KEYLEN", "LABEL", "LIKE", "LRECL", "MGMTCLAS", "OUTLIM", "OUTPUT", "RETPD", "SEGMENT", "SPACE",
        "STORCLAS", "TERM", "UCS", "UNIT", "VOL", "VOLUME",
    ]

    /// What a DD statement asks for.
    struct ReadDefinition {
        var source: JobDefinition.DataDefinition.Source?
        var hasCarriageControl = false
        /// nil when no data follow.
        var data: (isStar: Bool, delimiter: [UInt8])?
        var errors: [String] = []
    }

    static func dataDefinition(_ operands: [Operand], messageClass: UInt8) -> ReadDefinition {
        var read = ReadDefinition()
        var delimiter: [UInt8]?
        for (index, operand) in operands.enumerated() {
            switch (operand.key, operand.value) {
            case (nil, "*") where index == 0: read.data = (true, [0x2F, 0x2A])
            case (nil, "DATA") where index == 0: read.data = (false, [0x2F, 0x2A])
            case (nil, "DUMMY") where index == 0: read.source = .dummy
            case (nil, "") where index == 0 && operands.count == 1: read.source = .dummy
            case (nil, _): read.errors.append("IEFC603I POSITIONAL PARAMETER OUT OF PLACE")
            case ("DLM", _):
                let characters = Array(operand.unquoted.utf8)
                if characters.count == 2 {
                    delimiter = characters
                } else {
                    read.errors.append("IEFC641I INCORRECT VALUE IN THE DLM FIELD")
                }
            case ("SYSOUT", _):
                let name = operand.parts.first ?? ""
                if name == "*" || name.isEmpty {
                    read.source = .sysout(messageClass)
                } else if let outputClass = JobClass(name) {
                    read.source = .sysout(outputClass.octet)
                } else {
                    read.errors.append("IEFC641I INCORRECT VALUE IN THE SYSOUT FIELD")
                }
            case ("DSN", _), ("DSNAME", _):
                let name = operand.unquoted
                if name == "NULLFILE" {
                    read.source = .dummy
                } else if name.hasPrefix("&&") {
                    read.source = .temporary(String(name.dropFirst(2)))
                } else {
                    read.source = .missing(name)
                }
            case ("RECFM", let format): read.hasCarriageControl = format.contains("A")
            case ("DCB", _):
                for part in operand.parts where part.hasPrefix("RECFM=") {
                    read.hasCarriageControl = part.dropFirst(6).contains("A")
                }
            case (let key?, _):
                if !otherDataKeywords.contains(key) {
                    read.errors.append("IEFC630I UNIDENTIFIED KEYWORD \(key.prefix(8))")
                }
            }
        }
        if let delimiter, let data = read.data { read.data = (data.isStar, delimiter) }
        return read
    }
}
