/// Prints a spool file to text, as a line printer that writes into a file would: lines end in LF, a form feed stands
/// between pages (none before the first, none after the last), and a line printed over another follows it after a bare CR.
///
/// A stream with flat memory: the text is the same for any split of the input, and a record may be of any length.
///
///     var renderer = TextRenderer(.asa, records: .text(.cp037), code: .cp037)
///     renderer.append(piece.span, to: &text)
///     renderer.finish(to: &text)
package struct TextRenderer: Sendable {
    package let carriageControl: CarriageControl
    package let form: RecordSplitter.Form
    package let code: CodePage
    /// Records begun so far; all of them after `finish`.
    package private(set) var records = 0

    /// Octets of the current record that were read, its carriage control included; nil between records.
    private var recordLength: Int?
    /// A CR of input whose meaning (text, or part of the record's end) the next octet tells.
    private var holdsCarriageReturn = false
    /// What a machine code orders after its text.
    private var motionAfter: PaperMotion?

    /// A line has begun that no LF has ended yet.
    private var lineIsOpen = false
    /// And it has characters.
    private var lineHasText = false
    /// Anything was printed at all.
    private var hasOutput = false
    /// A new page is due before the next output.
    private var pageIsDue = false
    /// The next text goes over the open line.
    private var returnIsDue = false

    /// - Parameter code: what the text is in; for files of `CODE=BINARY` the host's page.
    package init(_ carriageControl: CarriageControl, records form: RecordSplitter.Form, code: CodePage) {
        self.carriageControl = carriageControl
        self.form = form
        self.code = code
    }

    package mutating func append(_ octets: Span<UInt8>, to output: inout [UInt8]) {
        var at = 0
        while at < octets.count {
            switch form {
            case .fixed(let length):
                if recordLength == max(1, length) { endRecord(&output) }
                let room = max(1, length) - (recordLength ?? 0)
                let end = at + min(room, octets.count - at)
                recordLength = (recordLength ?? 0) + end - at
                take(octets.extracting(at..<end), isBegin: room == max(1, length), &output)
                at = end
            case .ended(let mark, let dropsCarriageReturn):
                at = appendText(octets, from: at, mark: mark, dropsCarriageReturn: dropsCarriageReturn, &output)
            }
        }
    }

    /// Call once, after the last octet of the file.
    package mutating func finish(to output: inout [UInt8]) {
        if holdsCarriageReturn { takeHeldCarriageReturn(&output) }
        if recordLength != nil { endRecord(&output) }
        if lineIsOpen { newLine(&output) }
    }

    private mutating func appendText(
        _ octets: Span<UInt8>, from start: Int, mark: UInt8, dropsCarriageReturn: Bool, _ output: inout [UInt8]
    ) -> Int {
        if octets[start] == mark {
            holdsCarriageReturn = false
            if recordLength == nil { beginEmptyRecord(&output) }
            endRecord(&output)
            return start + 1
        }
        if holdsCarriageReturn { takeHeldCarriageReturn(&output) }
        if dropsCarriageReturn && octets[start] == 0x0D {
            holdsCarriageReturn = true
            return start + 1
        }
        var end = start + 1
        while end < octets.count && octets[end] != mark && !(dropsCarriageReturn && octets[end] == 0x0D) { end += 1 }
        let isBegin = recordLength == nil
        recordLength = 1
        take(octets.extracting(start..<end), isBegin: isBegin, &output)
        return end
    }

    private mutating func takeHeldCarriageReturn(_ output: inout [UInt8]) {
        holdsCarriageReturn = false
        let isBegin = recordLength == nil
        recordLength = 1
        let carriageReturn: [UInt8] = [0x0D]
        take(carriageReturn.span, isBegin: isBegin, &output)
    }

    /// A record without even its carriage control: a blank line.
    private mutating func beginEmptyRecord(_ output: inout [UInt8]) {
        records += 1
        recordLength = 0
        switch carriageControl {
        case .none: lineIsOpen = true
        case .asa: moveBefore(.space(1), &output)
        case .machine: motionAfter = .space(1)
        }
    }

    /// A part of a record, never empty; the first octet of the first part may be carriage control.
    private mutating func take(_ part: Span<UInt8>, isBegin: Bool, _ output: inout [UInt8]) {
        guard isBegin else { return print(part, &output) }
        records += 1
        switch carriageControl {
        case .none:
            print(part, &output)
            return
        case .asa:
            moveBefore(CarriageControl.asaMotion(code.scalar(for: part[0])), &output)
        case .machine:
            let (motion, isImmediate) = CarriageControl.machineMotion(part[0])
            if isImmediate {
                if motion != .space(0) { move(motion, &output) }
                motionAfter = nil
            } else {
                motionAfter = motion
            }
        }
        if part.count > 1 { print(part.extracting(1..<part.count), &output) }
    }

    private mutating func endRecord(_ output: inout [UInt8]) {
        recordLength = nil
        switch carriageControl {
        case .none: newLine(&output)
        case .asa: break  // the line ends when the next record says how
        case .machine:
            if let motion = motionAfter {
                // a line of no characters is a line all the same
                lineIsOpen = lineIsOpen || motion == .space(0)
                move(motion, &output)
            } else if lineIsOpen {
                returnIsDue = true
            }
            motionAfter = nil
        }
    }

    /// An ASA motion: the line before is still open, so the first LF of a space ends it.
    private mutating func moveBefore(_ motion: PaperMotion, _ output: inout [UInt8]) {
        switch motion {
        case .space(let lines) where hasOutput || lineIsOpen:
            lines == 0 ? (returnIsDue = true) : move(.space(lines), &output)
        case .space(let lines):
            // the paper stands at its first line: one space less, so that a file does not begin with a blank line
            if lines > 1 { move(.space(lines - 1), &output) }
        case .newPage:
            move(.newPage, &output)
        }
        lineIsOpen = true
    }

    private mutating func move(_ motion: PaperMotion, _ output: inout [UInt8]) {
        switch motion {
        case .space(0): returnIsDue = true
        case .space(let lines): for _ in 0..<lines { newLine(&output) }
        case .newPage:
            if lineIsOpen { newLine(&output) }
            lineIsOpen = false
            lineHasText = false
            returnIsDue = false
            pageIsDue = hasOutput
        }
    }

    private mutating func newLine(_ output: inout [UInt8]) {
        newPageIfDue(&output)
        output.append(0x0A)
        hasOutput = true
        lineIsOpen = false
        lineHasText = false
        returnIsDue = false
    }

    private mutating func print(_ text: Span<UInt8>, _ output: inout [UInt8]) {
        newPageIfDue(&output)
        if returnIsDue && lineHasText { output.append(0x0D) }
        returnIsDue = false
        lineHasText = true
        code.decode(text, to: &output)
        hasOutput = true
        lineIsOpen = true
    }

    private mutating func newPageIfDue(_ output: inout [UInt8]) {
        if pageIsDue { output.append(0x0C) }
        pageIsDue = false
    }
}
