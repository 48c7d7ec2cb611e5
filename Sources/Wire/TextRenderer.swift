/// Prints a spool file to text: lines end in LF, a form feed stands between pages (none before the first, none after the last).
/// What was printed over a line is applied: an underline or bold print leaves the text as it reads.
///
///     var renderer = TextRenderer(.asa, records: .text(.cp037), code: .cp037)
///     renderer.append(piece.span, to: &text)
///     renderer.finish(to: &text)
package struct TextRenderer: Sendable {
    private var printer: LinePrinter<TextPaper>

    /// - Parameter code: what the text is in; for files of `CODE=BINARY` the host's page.
    package init(_ carriageControl: CarriageControl, records form: RecordSplitter.Form, code: CodePage) {
        printer = LinePrinter(carriageControl, records: form, code: code, on: TextPaper(code: code))
    }

    /// Records begun so far; all of them after `finish`.
    package var records: Int { printer.records }
    /// Those of them that have ended.
    package var wholeRecords: Int { printer.wholeRecords }

    package mutating func append(_ octets: Span<UInt8>, to output: inout [UInt8]) {
        printer.append(octets, to: &output)
    }

    /// Call once, after the last octet of the file.
    package mutating func finish(to output: inout [UInt8]) { printer.finish(to: &output) }
}

private struct TextPaper: PrintPaper {
    let code: CodePage
    private var pageIsDue = false

    init(code: CodePage) { self.code = code }

    var takesParts: Bool { true }

    mutating func line(_ line: PrintLine, to output: inout [UInt8]) {
        turnPage(&output)
        code.decode(line.text.span, to: &output)
        output.append(0x0A)
    }

    mutating func part(_ octets: Span<UInt8>, to output: inout [UInt8]) {
        turnPage(&output)
        code.decode(octets, to: &output)
    }

    mutating func endLine(to output: inout [UInt8]) {
        turnPage(&output)
        output.append(0x0A)
    }

    mutating func newPage(to output: inout [UInt8]) { pageIsDue = true }

    /// Not before something is on the next page.
    private mutating func turnPage(_ output: inout [UInt8]) {
        if pageIsDue { output.append(0x0C) }
        pageIsDue = false
    }
}
