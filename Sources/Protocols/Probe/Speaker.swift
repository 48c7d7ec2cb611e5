/// Who sits on a port, by the first octets it says.
package enum Speaker: Equatable, Sendable {
    /// Private RJE on port 77, version as it says (`PRIV-RJE/1`), host as it names itself.
    case privRJE(version: String, host: String?)
    /// RFC 407, by its greeting 300; `isServing` is false when it answers 401 or 436 at once.
    case rje(isServing: Bool)
    /// RFC 740; the socket base when it names one.
    case netrjs(isServing: Bool, socketBase: Int?)
    /// TELNET that says nothing of RJE: options, and perhaps a prompt.
    case telnet
    case http
    case tls
    case ssh
    /// A greeting 220: FTP or mail.
    case ftpOrMail
    /// It said something, and that is nothing known here.
    case unknown

    package var word: String {
        switch self {
        case .privRJE: "priv-rje"
        case .rje: "rfc407"
        case .netrjs: "netrjs"
        case .telnet: "telnet"
        case .http: "http"
        case .tls: "tls"
        case .ssh: "ssh"
        case .ftpOrMail: "ftp-or-mail"
        case .unknown: "unknown"
        }
    }

    package var isRJE: Bool {
        switch self {
        case .privRJE, .rje, .netrjs: true
        case .telnet, .http, .tls, .ssh, .ftpOrMail, .unknown: false
        }
    }
}

/// Reads the first octets of a port until it is clear who speaks.
///
///     var reading = SpeakerReading()
///     reading.append(octets)
///     reading.verdict(isComplete: false)      // nil: listen on
package struct SpeakerReading: Equatable, Sendable {
    /// Octets that are looked at; an RJE server says its greeting in far fewer.
    package static let mostOctets = 4096

    package private(set) var octets: [UInt8] = []

    package init() {}

    package mutating func append(_ more: some Collection<UInt8>) {
        octets += more.prefix(Self.mostOctets - octets.count)
    }

    /// - Parameter isComplete: nothing more will come: the time is over or the line has ended.
    /// - Returns: nil when more is needed, or when it is complete and nothing was said.
    package func verdict(isComplete: Bool) -> Speaker? {
        guard let first = octets.first else { return nil }
        let isLast = isComplete || octets.count == Self.mostOctets
        if octets.count >= 3, (0x14...0x17).contains(first), octets[1] == 0x03, octets[2] <= 0x04 { return .tls }
        let text = Self.text(octets)
        // Only a whole line says what it is.
        let lines = (isLast ? text[...] : text[..<(text.lastIndex(of: 0x0A) ?? 0)])
            .split(whereSeparator: { $0 == 0x0A || $0 == 0x0D })
        let base = lines.lazy.compactMap(Self.socketBase).first
        for line in lines {
            guard let speaker = Self.speaker(of: line) else { continue }
            // The line with the base comes before READY.
            if case .netrjs(let isServing, _) = speaker { return .netrjs(isServing: isServing, socketBase: base) }
            return speaker
        }
        if let base { return isLast ? .netrjs(isServing: false, socketBase: base) : nil }
        guard isLast else { return nil }
        return octets.contains(0xFF) && Self.isNegotiation(octets) ? .telnet : .unknown
    }

    /// What came, for people: printable ASCII, the rest as `\xNN`.
    package func excerpt(longest: Int = 72) -> String {
        var excerpt = ""
        for octet in octets {
            guard excerpt.utf8.count < longest else { return excerpt + "..." }
            switch octet {
            case 0x0D, 0x0A: if !excerpt.isEmpty, !excerpt.hasSuffix(" ") { excerpt += " " }
            case 0x5C: excerpt += "\\\\"
            case 0x20...0x7E: excerpt.unicodeScalars.append(Unicode.Scalar(octet))
            default:
                let digits = String(octet, radix: 16, uppercase: true)
                excerpt += "\\x" + (digits.utf8.count == 1 ? "0" : "") + digits
            }
        }
        return excerpt.hasSuffix(" ") ? String(excerpt.dropLast()) : excerpt
    }

    private static func speaker(of line: ArraySlice<UInt8>) -> Speaker? {
        let words = line.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
        guard let first = words.first else { return nil }
        switch first {
        case "300":
            guard words.count > 1, words[1].hasPrefix("PRIV-RJE/") else { return .rje(isServing: true) }
            let host = words.first { $0.hasPrefix("HOST=") }.map { String($0.dropFirst(5)) }
            return .privRJE(version: words[1], host: host)
        case "401", "436": return .rje(isServing: false)
        case "220", "220-": return .ftpOrMail
        default: break
        }
        if first.hasPrefix("220-") { return .ftpOrMail }
        if first.hasPrefix("HTTP/") { return .http }
        if first.hasPrefix("SSH-") { return .ssh }
        if first.hasPrefix("NRJ876") { return .netrjs(isServing: true, socketBase: nil) }
        if first.hasPrefix("NRJ110") || first.hasPrefix("NRJ111") { return .netrjs(isServing: false, socketBase: nil) }
        return nil
    }

    private static func socketBase(_ line: ArraySlice<UInt8>) -> Int? {
        let words = line.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
        guard words.count == 4, words[0] == "NRJ000I", words[1] == "SOCKET", words[2] == "BASE" else { return nil }
        return Int(words[3]).flatMap { (1...65_530).contains($0) ? $0 : nil }
    }

    /// Without TELNET's commands: IAC and two octets for options, IAC and one else. A line cut short there is just cut.
    private static func text(_ octets: [UInt8]) -> [UInt8] {
        guard octets.contains(0xFF) else { return octets }
        var text: [UInt8] = []
        var at = 0
        while at < octets.count {
            guard octets[at] == 0xFF else {
                text.append(octets[at])
                at += 1
                continue
            }
            guard at + 1 < octets.count else { break }
            at += (0xFB...0xFE).contains(octets[at + 1]) ? 3 : 2
        }
        return text
    }

    /// IAC with a command of TELNET: anything else that holds an octet FF is just data.
    private static func isNegotiation(_ octets: [UInt8]) -> Bool {
        zip(octets, octets.dropFirst()).contains { $0 == 0xFF && (0xF0...0xFE).contains($1) }
    }
}
