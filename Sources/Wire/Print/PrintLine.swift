/// A line as it stands on the paper when the printer moves on: what was printed first, and what was printed over it.
package struct PrintLine: Equatable, Sendable {
    /// What printing over a column did to it.
    package struct Marks: OptionSet, Equatable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The same character again.
        package static let bold = Marks(rawValue: 1)
        package static let underlined = Marks(rawValue: 2)
        /// Another character: it is in `over`.
        package static let struck = Marks(rawValue: 4)
    }

    /// In the host's code, one octet a column.
    package private(set) var text: [UInt8] = []
    /// One for each column of `text`, or empty when nothing was printed over.
    package private(set) var marks: [Marks] = []
    /// As `marks`; what stands here counts where the column is `struck`.
    package private(set) var over: [UInt8] = []

    package init() {}

    package mutating func append(_ part: Span<UInt8>) {
        part.withUnsafeBufferPointer { text.append(contentsOf: $0) }
    }

    package mutating func removeAll() {
        text.removeAll(keepingCapacity: true)
        marks.removeAll(keepingCapacity: true)
        over.removeAll(keepingCapacity: true)
    }

    /// Prints a layer over the line.
    ///
    /// Underscores beneath text underline it, whichever came first; a character printed over itself is bold; a character
    /// over a blank fills it. Where two others meet the first stays the text.
    package mutating func overprint(_ layer: [UInt8], in code: CodePage) {
        let blank = code.blank
        let underscore = code.octet(for: "_") ?? 0x5F
        let end = (layer.lastIndex { $0 != blank } ?? -1) + 1
        if end == 0 { return }
        let count = text.count
        if text.count < end { text += Array(repeating: blank, count: end - text.count) }
        if marks.count < text.count {
            marks += Array(repeating: [], count: text.count - marks.count)
            over += Array(repeating: blank, count: text.count - over.count)
        }
        let before = text
        for column in 0..<end where layer[column] != blank && layer[column] != underscore {
            let character = layer[column]
            if before[column] == blank || before[column] == underscore {
                text[column] = character
            } else if before[column] == character {
                marks[column].insert(.bold)
            } else if !marks[column].contains(.struck) {
                marks[column].insert(.struck)
                over[column] = character
            }
        }
        // The rule that was there first underlines the text now printed into it.
        for run in Self.runs(of: underscore, in: before) where run.contains(where: { text[$0] != underscore }) {
            for column in run {
                marks[column].insert(.underlined)
                if text[column] == underscore { text[column] = blank }
            }
        }
        for run in Self.runs(of: underscore, in: layer) {
            let isUnderText = run.contains { text[$0] != blank && text[$0] != underscore }
            for column in run {
                if isUnderText {
                    marks[column].insert(.underlined)
                } else if text[column] == blank {
                    text[column] = underscore
                }
            }
        }
        // blanks that only a rule longer than the text has made
        while text.last == blank, text.count > count || marks.last?.contains(.underlined) == true {
            text.removeLast()
            marks.removeLast()
            over.removeLast()
        }
    }

    private static func runs(of octet: UInt8, in line: [UInt8]) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        var at = 0
        while let start = line[at...].firstIndex(of: octet) {
            at = line[start...].firstIndex { $0 != octet } ?? line.count
            runs.append(start..<at)
        }
        return runs
    }
}
