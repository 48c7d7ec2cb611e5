/// Remote Job Entry by RFC 407, on TCP by the project's profile R1.
///
/// The definition is the project's note "Remote Job Entry protocol (RFC 407)"; its sections are named in the comments
/// here. The *host* is the RFC's RJE-server, the *station* its User. `StationMachine` and `HostMachine` are the two sides
/// of the control dialogue as values; decks and print-out run on connections of their own, in `StreamFormat`.
///
/// Text is Latin-1 on the wire, so that a pathname is kept octet by octet.
package enum RFC407 {
    package static let port = 5
    /// Octets of a command or reply line without its CR LF. Section 20.
    package static let longestLine = 4_096

    /// How a file travels. Section 5.1.
    package enum Mode: String, CaseIterable, Sendable {
        /// Lines ended by CR LF, FF for a new page.
        case text = "T"
        /// Records without carriage control.
        case records = "N"
        /// Records whose first column is ASA carriage control.
        case asa = "A"
    }

    package enum Direction: Sendable { case input, output }

    package struct Attributes: Hashable, Sendable {
        /// nil: N for input, A for output.
        package var mode: Mode?
        package var isEBCDIC: Bool

        package init(_ mode: Mode? = nil, isEBCDIC: Bool = false) {
            self.mode = mode
            self.isEBCDIC = isEBCDIC
        }

        package func mode(for direction: Direction) -> Mode { mode ?? (direction == .input ? .records : .asa) }
    }

    /// The host field of a file identifier. Section 5.3.
    package enum HostField: Hashable, Sendable {
        /// Up to 255 a number of the ARPANET, above an IPv4 address, most significant octet first.
        case number(UInt32)
        /// Extension: a name, a dotted quad, or an IPv6 address (here without its brackets).
        case name(String)
    }

    package enum FileID: Hashable, Sendable {
        /// A port to which the host connects; without a host field at the station itself.
        case socket(HostField?, port: Int, Attributes)
        /// A file which the host moves by FTP.
        case path(HostField?, Attributes, pathname: String)

        package var attributes: Attributes {
            switch self {
            case .socket(_, port: _, let attributes), .path(_, let attributes, pathname: _): attributes
            }
        }

        /// The same place, whatever form the data takes there: what `@` means.
        package func isSamePlace(as other: FileID) -> Bool {
            switch (self, other) {
            case (.socket(let host, let port, _), .socket(let otherHost, let otherPort, _)):
                host == otherHost && port == otherPort
            case (.path(let host, _, let name), .path(let otherHost, _, let otherName)):
                host == otherHost && name == otherName
            case (.socket, .path), (.path, .socket): false
            }
        }
    }

    /// What becomes of an output file. Section 4.1.
    package enum Disposition: Hashable, Sendable {
        case hold
        case discard
        case send(FileID, keeps: Bool)
    }

    /// Why a text is no command: the reply's code, 500 to 503.
    package struct Complaint: Error, Equatable, Sendable {
        package let code: Int
        package let text: String

        package init(_ code: Int, _ text: String) {
            self.code = code
            self.text = text
        }
    }
}

extension RFC407.Attributes {
    /// - Parameter text: what stands after the colon, in any case.
    init(parsing text: Substring) throws(RFC407.Complaint) {
        var letters = text.uppercased()
        self.init()
        if let first = letters.first, let mode = RFC407.Mode(rawValue: String(first)) {
            self.mode = mode
            letters.removeFirst()
        }
        if letters == "E" {
            isEBCDIC = true
        } else if !letters.isEmpty {
            throw RFC407.Complaint(501, "Attributes are T, A or N, then E")
        }
    }

    package var text: String {
        let letters = (mode?.rawValue ?? "") + (isEBCDIC ? "E" : "")
        return letters.isEmpty ? "" : ":" + letters
    }
}

extension RFC407 {
    /// A number with its radix letter; D or none decimal, O octal, H or X hexadecimal.
    ///
    /// - Returns: nil for a text that is none, `.max` for one that is too large for anything.
    static func integer(_ text: some StringProtocol) -> UInt64? {
        guard let first = text.utf8.first else { return nil }
        let (radix, digits): (Int, String)
        switch first {
        case 0x44, 0x64: (radix, digits) = (10, String(text.dropFirst()))
        case 0x4F, 0x6F: (radix, digits) = (8, String(text.dropFirst()))
        case 0x48, 0x68, 0x58, 0x78: (radix, digits) = (16, String(text.dropFirst()))
        default: (radix, digits) = (10, String(text))
        }
        guard !digits.isEmpty, digits.utf8.allSatisfy({ isDigit($0, radix: radix) }) else { return nil }
        return UInt64(digits, radix: radix) ?? .max
    }

    private static func isDigit(_ octet: UInt8, radix: Int) -> Bool {
        switch octet {
        case 0x30...0x37: true
        case 0x38, 0x39: radix >= 10
        case 0x41...0x46, 0x61...0x66: radix == 16
        default: false
        }
    }

    /// A job-id, a file name or another word that stands between others. Section 3.
    package static func isWord(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !Array("=@/:,".utf8).contains($0) }
    }

    /// Whether a text can be the last element of a line: not empty, no blank at its ends, nothing beyond Latin-1, no
    /// control characters.
    package static func isFinal(_ text: String) -> Bool {
        guard let first = text.unicodeScalars.first, let last = text.unicodeScalars.last, first != " ", last != " "
        else {
            return false
        }
        return text.unicodeScalars.allSatisfy { $0.value < 0x100 && $0.value >= 0x20 && $0.value != 0x7F }
    }

    static func trimmed(_ text: some StringProtocol) -> Substring {
        var rest = Substring(text)
        while rest.first == " " { rest.removeFirst() }
        while rest.last == " " { rest.removeLast() }
        return rest
    }

    package static func text(_ octets: some Collection<UInt8>) -> String {
        var text = ""
        text.unicodeScalars.append(contentsOf: octets.lazy.map { Unicode.Scalar($0) })
        return text
    }

    /// What Latin-1 lacks becomes a question mark.
    package static func octets(_ text: String) -> [UInt8] {
        text.unicodeScalars.map { $0.value < 0x100 ? UInt8(truncatingIfNeeded: $0.value) : 0x3F }
    }
}

extension RFC407.HostField {
    init(parsing text: Substring) throws(RFC407.Complaint) {
        if text.hasPrefix("[") {
            guard text.hasSuffix("]"), text.count > 2 else {
                throw RFC407.Complaint(501, "An address in brackets lacks its end")
            }
            self = .name(String(text.dropFirst().dropLast()))
        } else if let number = RFC407.integer(text) {
            guard let number = UInt32(exactly: number) else {
                throw RFC407.Complaint(501, "The host number is too large")
            }
            self = .number(number)
        } else {
            guard RFC407.isWord(text) else { throw RFC407.Complaint(501, "This is no host") }
            self = .name(String(text))
        }
    }

    package var text: String {
        switch self {
        case .number(let number):
            let digits = String(number, radix: 16, uppercase: true)
            return number < 256 ? "D\(number)" : "H" + String(repeating: "0", count: 8 - digits.count) + digits
        case .name(let name): return name.contains(":") ? "[\(name)]" : name
        }
    }
}

extension RFC407.FileID {
    init(parsing text: some StringProtocol) throws(RFC407.Complaint) {
        let text = RFC407.trimmed(text)
        guard !text.isEmpty else { throw RFC407.Complaint(502, "A file is missing") }
        if let slash = text.firstIndex(of: "/") {
            let (host, attributes) = try Self.cutAttributes(text[..<slash])
            let name = RFC407.trimmed(text[text.index(after: slash)...])
            guard !name.isEmpty else { throw RFC407.Complaint(502, "The path is missing") }
            self = .path(
                host.isEmpty ? nil : try RFC407.HostField(parsing: host), attributes, pathname: String(name))
            return
        }
        let (place, attributes) = try Self.cutAttributes(text)
        var host: RFC407.HostField?
        var socket = place
        if let comma = place.lastIndex(of: ",") {
            host = try RFC407.HostField(parsing: RFC407.trimmed(place[..<comma]))
            socket = RFC407.trimmed(place[place.index(after: comma)...])
        }
        guard let number = RFC407.integer(socket) else { throw RFC407.Complaint(501, "A socket number is missing") }
        guard let port = UInt16(exactly: number), port > 0 else {
            throw RFC407.Complaint(501, "A socket is a port from 1 to 65535 here")
        }
        self = .socket(host, port: Int(port), attributes)
    }

    /// At the last colon after a closing bracket, if there is one. Section 20.
    private static func cutAttributes(
        _ text: Substring
    ) throws(RFC407.Complaint) -> (Substring, RFC407.Attributes) {
        let start = text.lastIndex(of: "]") ?? text.startIndex
        guard let colon = text[start...].lastIndex(of: ":") else { return (RFC407.trimmed(text), RFC407.Attributes()) }
        let attributes = try RFC407.Attributes(parsing: RFC407.trimmed(text[text.index(after: colon)...]))
        return (RFC407.trimmed(text[..<colon]), attributes)
    }

    package var text: String {
        switch self {
        case .socket(let host, let port, let attributes):
            (host.map { $0.text + "," } ?? "") + "D\(port)" + attributes.text
        case .path(let host, let attributes, let pathname): (host?.text ?? "") + attributes.text + "/" + pathname
        }
    }
}

extension RFC407.Disposition {
    init(parsing text: some StringProtocol) throws(RFC407.Complaint) {
        let text = RFC407.trimmed(text)
        let rest = RFC407.trimmed(text.dropFirst(3))
        switch text.prefix(3).uppercased() {
        case "(H)" where rest.isEmpty: self = .hold
        case "(D)" where rest.isEmpty: self = .discard
        case "(H)", "(D)": throw RFC407.Complaint(503, "Nothing can follow (H) or (D)")
        case "(S)": self = .send(try RFC407.FileID(parsing: rest), keeps: true)
        case "": throw RFC407.Complaint(502, "A disposition is missing")
        default: self = .send(try RFC407.FileID(parsing: text), keeps: false)
        }
    }

    package var text: String {
        switch self {
        case .hold: "(H)"
        case .discard: "(D)"
        case .send(let file, let keeps): (keeps ? "(S)" : "") + file.text
        }
    }
}
