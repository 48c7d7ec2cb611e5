/// Green-bar paper as a web page: nothing in it runs, and all that was printed is escaped.
package struct HTMLPaper: PrintPaper {
    private let code: CodePage
    private var pageIsOpen = false

    package init(code: CodePage) { self.code = code }

    /// All of the page's style. A policy may name it by its hash.
    package static let style = """
        :root{color-scheme:light}body{margin:0;background:#8a8f8a;font:13px/18px ui-monospace,Menlo,Consolas,\
        "DejaVu Sans Mono",monospace}h1{font:600 14px/20px system-ui,sans-serif;margin:0;padding:10px 24px;\
        background:#203a2a;color:#fff}h1~h1{margin-top:18px}pre{font:inherit;margin:14px auto;padding:18px 30px;\
        min-width:132ch;width:max-content;color:#111;background:linear-gradient(#fff,#fff)\
        0 0/100% 18px no-repeat,#fff repeating-linear-gradient(#fff 0 54px,#dff2df 54px 108px) 0 18px;box-shadow:0 1px 4px #0006}b{font-weight:700}u{text-underline-offset:3px}\
        i{font-style:normal;position:relative}i::after{content:attr(data-over);position:absolute;left:0}\
        @media print{body{background:#fff}h1{display:none}pre{box-shadow:none;margin:0;break-after:page;\
        print-color-adjust:exact;-webkit-print-color-adjust:exact}@page{size:landscape;margin:8mm}}
        """

    /// - Parameter title: in UTF-8, of anything.
    package static func begin(title: String) -> [UInt8] {
        var html = Array("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>".utf8)
        escape(title.utf8, to: &html)
        html += Array("</title><style>\(style)</style></head><body>\n".utf8)
        return html
    }

    /// The title of one file.
    package static func heading(_ text: String) -> [UInt8] {
        var html = Array("<h1>".utf8)
        escape(text.utf8, to: &html)
        html += Array("</h1>\n".utf8)
        return html
    }

    package static let end = Array("</body></html>\n".utf8)

    package mutating func line(_ line: PrintLine, to output: inout [UInt8]) {
        openPage(&output)
        if line.marks.isEmpty {
            decode(line.text.span, to: &output)
        } else {
            writeMarked(line, to: &output)
        }
        output.append(0x0A)
    }

    package mutating func newPage(to output: inout [UInt8]) { closePage(&output) }

    /// After the last line of a file.
    package mutating func finish(to output: inout [UInt8]) { closePage(&output) }

    private mutating func openPage(_ output: inout [UInt8]) {
        // A line feed right behind <pre> is dropped by browsers: so one that counts would be lost without this one.
        if !pageIsOpen { output += Array("<pre>\n".utf8) }
        pageIsOpen = true
    }

    private mutating func closePage(_ output: inout [UInt8]) {
        if pageIsOpen { output += Array("</pre>\n".utf8) }
        pageIsOpen = false
    }

    private func writeMarked(_ line: PrintLine, to output: inout [UInt8]) {
        var column = 0
        while column < line.text.count {
            let marks = line.marks[column]
            var next = column + 1
            if !marks.contains(.struck) {
                while next < line.text.count, line.marks[next] == marks { next += 1 }
            }
            if marks.contains(.underlined) { output += Array("<u>".utf8) }
            if marks.contains(.bold) { output += Array("<b>".utf8) }
            if marks.contains(.struck) {
                output += Array("<i data-over=\"".utf8)
                decode(line.over[column..<next].span, to: &output)
                output += Array("\">".utf8)
            }
            decode(line.text[column..<next].span, to: &output)
            if marks.contains(.struck) { output += Array("</i>".utf8) }
            if marks.contains(.bold) { output += Array("</b>".utf8) }
            if marks.contains(.underlined) { output += Array("</u>".utf8) }
            column = next
        }
    }

    private func decode(_ octets: Span<UInt8>, to output: inout [UInt8]) {
        var text: [UInt8] = []
        text.reserveCapacity(octets.count + 8)
        code.decode(octets, to: &text)
        Self.escape(text, to: &output)
    }

    private static func escape(_ text: some Sequence<UInt8>, to output: inout [UInt8]) {
        for octet in text {
            switch octet {
            case UInt8(ascii: "&"): output += Array("&amp;".utf8)
            case UInt8(ascii: "<"): output += Array("&lt;".utf8)
            case UInt8(ascii: ">"): output += Array("&gt;".utf8)
            case UInt8(ascii: "\""): output += Array("&quot;".utf8)
            case 0x09: output.append(octet)
            case 0..<0x20, 0x7F: output.append(contentsOf: [0xEF, 0xBF, 0xBD])  // U+FFFD
            default: output.append(octet)
            }
        }
    }
}
