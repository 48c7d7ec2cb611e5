/// What is printed on.
package protocol PrintPaper: Sendable {
    /// A line, complete; the paper moves on after it.
    mutating func line(_ line: PrintLine, to output: inout [UInt8])
    /// The top of the next page. The paper begins at the top of one.
    mutating func newPage(to output: inout [UInt8])
    /// Whether lines that nothing can be printed over are taken in parts, without a bound on their length.
    var takesParts: Bool { get }
    mutating func part(_ octets: Span<UInt8>, to output: inout [UInt8])
    mutating func endLine(to output: inout [UInt8])
}

extension PrintPaper {
    package var takesParts: Bool { false }
    package mutating func part(_ octets: Span<UInt8>, to output: inout [UInt8]) {}
    package mutating func endLine(to output: inout [UInt8]) {}
}

/// Prints a spool file as a line printer would: obeys carriage control, and hands each line to the paper when nothing can be
/// printed over it any more.
///
/// A stream with flat memory: what is printed is the same for any split of the input. Records may be of any length; a line longer
/// than `longestLine`, which no host prints, goes on in the next one.
package struct LinePrinter<Paper: PrintPaper>: Sendable {
    private var scanner: RecordScanner
    private var press: Press<Paper>

    /// - Parameter code: what the text is in; for files of `CODE=BINARY` the host's page.
    package init(_ control: CarriageControl, records form: RecordSplitter.Form, code: CodePage, on paper: Paper) {
        scanner = RecordScanner(form)
        press = Press(control: control, code: code, paper: paper)
    }

    package var paper: Paper {
        get { press.paper }
        set { press.paper = newValue }
    }
    /// Records begun so far; all of them after `finish`.
    package var records: Int { press.records }
    /// Those of them that have ended.
    package var wholeRecords: Int { scanner.isInRecord ? press.records - 1 : press.records }

    package mutating func append(_ octets: Span<UInt8>, to output: inout [UInt8]) {
        swap(&press.output, &output)
        scanner.scan(octets, into: &press)
        swap(&press.output, &output)
    }

    /// Call once, after the last octet of the file.
    package mutating func finish(to output: inout [UInt8]) {
        swap(&press.output, &output)
        scanner.finish(into: &press)
        press.finish()
        swap(&press.output, &output)
    }
}

/// The longest line that is held as a whole: MVS has no longer records.
package let longestPrintLine = 32 * 1024

private struct Press<Paper: PrintPaper>: RecordTaking, Sendable {
    let control: CarriageControl
    let code: CodePage
    var paper: Paper
    var records = 0
    var output: [UInt8] = []

    private var line = PrintLine()
    /// What goes over the line.
    private var layer: [UInt8] = []
    private var isOver = false
    /// A line has begun that no motion has ended yet.
    private var lineIsOpen = false
    /// Anything was printed at all.
    private var hasOutput = false
    /// What a machine code orders after its text.
    private var motionAfter: PaperMotion?
    private let takesParts: Bool

    init(control: CarriageControl, code: CodePage, paper: Paper) {
        self.control = control
        self.code = code
        self.paper = paper
        takesParts = control == .none && paper.takesParts
    }

    mutating func take(_ part: Span<UInt8>, isFirst: Bool) {
        guard isFirst else { return print(part) }
        records += 1
        switch control {
        case .none: return print(part)
        case .asa: moveBefore(CarriageControl.asaMotion(code.scalar(for: part[0])))
        case .machine:
            let (motion, isImmediate) = CarriageControl.machineMotion(part[0])
            if isImmediate {
                if motion != .space(0) { move(motion) }
                motionAfter = nil
            } else {
                motionAfter = motion
            }
        }
        if part.count > 1 { print(part.extracting(1..<part.count)) }
    }

    mutating func endRecord(isEmpty: Bool, at place: Int) {
        if isEmpty { beginEmptyRecord() }
        switch control {
        case .none: newLine()
        case .asa: break  // the line ends when the next record says how
        case .machine:
            if let motion = motionAfter {
                // a line of no characters is a line all the same
                lineIsOpen = lineIsOpen || motion == .space(0)
                move(motion)
            } else if lineIsOpen {
                move(.space(0))
            }
            motionAfter = nil
        }
    }

    mutating func finish() {
        if lineIsOpen { newLine() }
    }

    /// A record without even its carriage control: a blank line.
    private mutating func beginEmptyRecord() {
        records += 1
        switch control {
        case .none: lineIsOpen = true
        case .asa: moveBefore(.space(1))
        case .machine: motionAfter = .space(1)
        }
    }

    /// An ASA motion: the line before is still open, so the first line of a space ends it.
    private mutating func moveBefore(_ motion: PaperMotion) {
        switch motion {
        case .space(let lines) where hasOutput || lineIsOpen: move(.space(lines))
        case .space(let lines):
            // the paper stands at its first line: one space less, so that a file does not begin with a blank line
            if lines > 1 { move(.space(lines - 1)) }
        case .newPage: move(.newPage)
        }
        lineIsOpen = true
    }

    private mutating func move(_ motion: PaperMotion) {
        switch motion {
        case .space(0):
            layDown()
            isOver = true
        case .space(let lines): for _ in 0..<lines { newLine() }
        case .newPage:
            if lineIsOpen { newLine() }
            if hasOutput { paper.newPage(to: &output) }
        }
    }

    private mutating func layDown() {
        if layer.isEmpty { return }
        line.overprint(layer, in: code)
        layer.removeAll(keepingCapacity: true)
    }

    private mutating func newLine() {
        if takesParts {
            paper.endLine(to: &output)
        } else {
            layDown()
            paper.line(line, to: &output)
            line.removeAll()
        }
        hasOutput = true
        lineIsOpen = false
        isOver = false
    }

    private mutating func print(_ text: Span<UInt8>) {
        lineIsOpen = true
        if takesParts { return paper.part(text, to: &output) }
        if line.text.isEmpty { isOver = false }
        var at = 0
        while at < text.count {
            let isLayer = isOver && !line.text.isEmpty
            let length = isLayer ? layer.count : line.text.count
            if length == longestPrintLine {
                newLine()
                lineIsOpen = true
                continue
            }
            let next = at + min(text.count - at, longestPrintLine - length)
            let part = text.extracting(at..<next)
            if isLayer {
                part.withUnsafeBufferPointer { layer.append(contentsOf: $0) }
            } else {
                line.append(part)
            }
            at = next
        }
    }
}
