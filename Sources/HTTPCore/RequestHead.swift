/// Request line and fields of one request, checked, as they were sent.
///
/// The octets are kept once; lookups compare in place and give slices of them, so they allocate nothing.
package struct RequestHead: Sendable, Equatable {
    /// Where a field stands in `octets`.
    struct FieldLine: Sendable, Equatable {
        var name: Range<UInt32>
        var value: Range<UInt32>
    }

    /// All lines with their CRLF, the last empty one too.
    var octets: [UInt8] = []
    var fieldLines: [FieldLine] = []
    var methodEnd = 0
    var targetRange = 0..<0
    var pathRange = 0..<0
    var queryRange: Range<Int>?
    var authorityRange: Range<Int>?

    /// `nil`: a method that is unknown here; its name is `methodName`.
    package internal(set) var method: Method?
    /// 0 or 1.
    package internal(set) var minorVersion = 1
    /// `nil` without the field.
    package internal(set) var contentLength: Int?
    package internal(set) var isChunked = false
    /// What version and `Connection` say about further requests.
    package internal(set) var keepsAlive = true
    /// The client waits for 100 Continue before it sends the body. Never in HTTP/1.0.
    package internal(set) var expectsContinue = false

    package var hasBody: Bool { isChunked || (contentLength ?? 0) > 0 }
    package var methodName: String { octets[..<methodEnd].text }
    /// As sent: path, absolute form or `*`.
    package var target: String { octets[targetRange].text }
    /// Not decoded; `/` for an absolute form without path, `*` for `OPTIONS *`.
    package var path: ArraySlice<UInt8> {
        pathRange.isEmpty ? [0x2F] : octets[pathRange]
    }
    /// What follows `?`, not decoded; `nil` without `?`.
    package var query: ArraySlice<UInt8>? { queryRange.map { octets[$0] } }
    /// Host and port the request is for: of the absolute form, else of `Host`; `nil` only in HTTP/1.0.
    package var authority: String? {
        if let authorityRange { return octets[authorityRange].text }
        return self["host"]
    }

    /// The value of the first field of that name.
    ///
    /// - Parameter name: in lower case.
    package func value(_ name: StaticString) -> ArraySlice<UInt8>? {
        for line in fieldLines where matches(line, name) { return octets[line.valueRange] }
        return nil
    }

    /// The values of all fields of that name, joined with a comma as RFC 9110, 5.3 has it; `nil` without any.
    ///
    /// - Parameter name: in lower case.
    package subscript(_ name: StaticString) -> String? {
        var joined: String?
        for line in fieldLines where matches(line, name) {
            let value = octets[line.valueRange].text
            joined = joined.map { "\($0), \(value)" } ?? value
        }
        return joined
    }

    /// For a name that is not a literal; any case.
    @_disfavoredOverload
    package subscript(_ name: String) -> String? {
        let wanted = name.lowercased()
        let values = fields.filter { $0.name.lowercased() == wanted }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ", ")
    }

    package func has(_ name: StaticString) -> Bool { value(name) != nil }

    /// All fields in order, names as sent.
    package var fields: [(name: String, value: String)] {
        fieldLines.map { (octets[$0.nameRange].text, octets[$0.valueRange].text) }
    }

    private func matches(_ line: FieldLine, _ name: StaticString) -> Bool {
        name.utf8CodeUnitCount == line.name.count && octets[line.nameRange].isEqualIgnoringCase(to: name)
    }
}

extension RequestHead.FieldLine {
    var nameRange: Range<Int> { Int(name.lowerBound)..<Int(name.upperBound) }
    var valueRange: Range<Int> { Int(value.lowerBound)..<Int(value.upperBound) }
}
