/// Fan-fold paper of 14 7/8 by 11 inches with green bars, in PDF: ten characters and six lines an inch, 66 lines and 132 columns
/// a page, Courier. A page ends where the printer skips to channel 1, or when it is full.
///
/// What was printed over is printed over: a second character on top of the first, an underline beneath. Longer lines up to 264
/// columns are condensed to the paper, still longer ones go on in the next line. Characters are those of WinAnsiEncoding,
/// which has all of Latin-1 and so all that the hosts' codes have; controls are blank.
package struct PDFPaper: PrintPaper {
    package static let linesPerPage = 66
    package static let columns = 132
    private static let mostColumns = 264
    private static let width = 1071
    private static let height = 792
    private static let left = 60.3
    /// Pages of one node of the page tree.
    private static let pagesPerNode = 64

    private var pdf = PDFWriter()
    private let packs: Bool
    /// Of the file that is printed at the moment.
    package var code: CodePage

    private let catalog: Int
    private let tree: Int
    private let info: Int
    private let fonts: (plain: Int, bold: Int)
    private let bars: Int
    private var nodes: [Int] = []
    private var pages: [Int] = []
    private var pageCount = 0
    private var treeIsWritten = false

    private var content: [UInt8] = []
    private var lines = 0
    private var pageIsOpen = false

    /// - Parameter packs: false leaves the pages readable, for tests.
    package init(code: CodePage, packs: Bool = true) {
        self.code = code
        self.packs = packs
        catalog = pdf.reserve()
        tree = pdf.reserve()
        info = pdf.reserve()
        fonts = (pdf.reserve(), pdf.reserve())
        bars = pdf.reserve()
    }

    package mutating func begin(title: String, to output: inout [UInt8]) {
        pdf.begin(to: &output)
        pdf.object(info, "<< /Title \(PDFWriter.text(title)) /Producer (Port77) >>", to: &output)
        for (number, name) in [(fonts.plain, "Courier"), (fonts.bold, "Courier-Bold")] {
            pdf.object(
                number,
                "<< /Type /Font /Subtype /Type1 /BaseFont /\(name) /Encoding /WinAnsiEncoding >>",
                to: &output)
        }
        var drawing = "0.88 0.96 0.88 rg\n"
        for bar in 0..<11 {
            drawing += "46 \(Self.height - (bar * 6 + 6) * 12) \(Self.width - 92) 36 re f\n"
        }
        drawing += "0.75 0.75 0.75 RG 0.5 w\n"
        for hole in 0..<22 {
            for x in [18.0, Double(Self.width) - 18] { drawing += Self.circle(x, Double(hole) * 36 + 18) }
        }
        pdf.stream(
            bars, "/Type /XObject /Subtype /Form /BBox [0 0 \(Self.width) \(Self.height)]", Array(drawing.utf8),
            to: &output)
    }

    private static func circle(_ x: Double, _ y: Double) -> String {
        let r = 5.0
        let k = 2.76
        return """
            \(x + r) \(y) m \(x + r) \(y + k) \(x + k) \(y + r) \(x) \(y + r) c \
            \(x - k) \(y + r) \(x - r) \(y + k) \(x - r) \(y) c \
            \(x - r) \(y - k) \(x - k) \(y - r) \(x) \(y - r) c \
            \(x + k) \(y - r) \(x + r) \(y - k) \(x + r) \(y) c S

            """
    }

    // MARK: paper

    package mutating func line(_ line: PrintLine, to output: inout [UInt8]) {
        if line.text.isEmpty { return advance(&output) }
        var column = 0
        while column < line.text.count {
            let end = min(line.text.count, column + Self.mostColumns)
            advance(&output)
            draw(line, column..<end)
            column = end
        }
    }

    package mutating func newPage(to output: inout [UInt8]) { closePage(&output) }

    /// After the last line of a file; the next one begins on a page of its own.
    package mutating func finish(to output: inout [UInt8]) { closePage(&output) }

    /// The page tree and the end of the file, a part of it with each call. A print-out of nothing is one blank page.
    ///
    /// - Returns: whether there is more to come.
    package mutating func end(to output: inout [UInt8]) -> Bool {
        if !treeIsWritten { writeTree(&output) }
        return pdf.end(root: catalog, info: info, to: &output)
    }

    private mutating func writeTree(_ output: inout [UInt8]) {
        treeIsWritten = true
        if pageCount == 0 { advance(&output) }
        closePage(&output)
        closeNode(&output)
        let kids = nodes.map { "\($0) 0 R" }.joined(separator: " ")
        pdf.object(tree, "<< /Type /Pages /Kids [\(kids)] /Count \(pageCount) >>", to: &output)
        pdf.object(
            catalog, "<< /Type /Catalog /Pages \(tree) 0 R /ViewerPreferences << /DisplayDocTitle true >> >>",
            to: &output)
    }

    /// To the next line, on a new page if need be.
    private mutating func advance(_ output: inout [UInt8]) {
        if lines == Self.linesPerPage { closePage(&output) }
        if !pageIsOpen {
            pageIsOpen = true
            content = Array("/Bars Do\nBT /F 12 Tf 12 TL 0 g 1 0 0 1 \(Self.left) 782 Tm\n".utf8)
        } else {
            content += Array("T*\n".utf8)
        }
        lines += 1
    }

    private mutating func draw(_ line: PrintLine, _ columns: Range<Int>) {
        let isWide = columns.count > Self.columns
        let scale = isWide ? Double(Self.columns) / Double(columns.count) : 1
        if isWide { content += Array("\(Self.decimal(scale * 100)) Tz ".utf8) }
        show(columns.map { line.text[$0] })
        if !line.marks.isEmpty {
            let blank = code.blank
            let bold = columns.map { line.marks[$0].contains(.bold) ? line.text[$0] : blank }
            if bold.contains(where: { $0 != blank }) {
                // as the printer does it: once more, a hair beside
                content += Array("/B 12 Tf ".utf8)
                show(bold)
                content += Array("/F 12 Tf ".utf8)
            }
            let struck = columns.map { line.marks[$0].contains(.struck) ? line.over[$0] : blank }
            if struck.contains(where: { $0 != blank }) { show(struck) }
            let rule = code.octet(for: "_") ?? blank
            let under = columns.map { line.marks[$0].contains(.underlined) ? rule : blank }
            if under.contains(rule) { show(under) }
        }
        if isWide { content += Array("100 Tz\n".utf8) }
    }

    /// Shows a text at the beginning of the line; `TL` and `Td` of nothing bring it back there.
    private mutating func show(_ text: [UInt8]) {
        let table = code.latin1Table
        content.append(UInt8(ascii: "("))
        for octet in text[..<((text.lastIndex { $0 != code.blank } ?? -1) + 1)] {
            let character = code == .ascii && octet >= 0x80 ? 0x95 : table[Int(octet)]  // a bullet for what is none
            switch character {
            case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "\\"):
                content.append(UInt8(ascii: "\\"))
                content.append(character)
            case 0..<0x20, 0x7F..<0x95, 0x96..<0xA0: content.append(0x20)
            default: content.append(character)
            }
        }
        content += Array(") Tj 0 0 Td\n".utf8)
    }

    private static func decimal(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded(.down))
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }

    // MARK: pages

    private mutating func closePage(_ output: inout [UInt8]) {
        guard pageIsOpen else { return }
        pageIsOpen = false
        lines = 0
        content += Array("ET\n".utf8)
        if nodes.isEmpty || pages.count == Self.pagesPerNode { openNode(&output) }
        let page = pdf.reserve()
        let body = pdf.reserve()
        let node = nodes[nodes.count - 1]
        pdf.object(
            page,
            """
            << /Type /Page /Parent \(node) 0 R /MediaBox [0 0 \(Self.width) \(Self.height)] /Contents \(body) 0 R \
            /Resources << /Font << /F \(fonts.plain) 0 R /B \(fonts.bold) 0 R >> /XObject << /Bars \(bars) 0 R >> >> >>
            """, to: &output)
        var packed: [UInt8] = []
        let deflater = packs ? Deflater(.zlib, level: 1) : nil
        do throws(Deflater.OutOfMemory) {
            try deflater?.append(content, to: &packed)
            try deflater?.finish(to: &packed)
        } catch {
            packed = []
        }
        if packed.isEmpty {
            pdf.stream(body, "", content, to: &output)
        } else {
            pdf.stream(body, "/Filter /FlateDecode", packed, to: &output)
        }
        content.removeAll(keepingCapacity: true)
        pages.append(page)
        pageCount += 1
    }

    private mutating func openNode(_ output: inout [UInt8]) {
        closeNode(&output)
        nodes.append(pdf.reserve())
    }

    private mutating func closeNode(_ output: inout [UInt8]) {
        guard !pages.isEmpty else { return }
        let kids = pages.map { "\($0) 0 R" }.joined(separator: " ")
        pdf.object(
            nodes[nodes.count - 1],
            "<< /Type /Pages /Parent \(tree) 0 R /Kids [\(kids)] /Count \(pages.count) >>", to: &output)
        pages = []
    }
}
