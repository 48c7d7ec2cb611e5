import Foundation
import Glibc

/// What standard output is.
enum Terminal {
    static let isThere = isatty(STDOUT_FILENO) == 1

    /// Columns of the terminal; nil where the output goes elsewhere.
    static var columns: Int? {
        guard isThere else { return nil }
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? Int(size.ws_col) : 80
    }

    /// On a terminal, unless NO_COLOR says otherwise (https://no-color.org).
    static let hasColor: Bool = {
        let environment = ProcessInfo.processInfo.environment
        return isThere && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
    }()

    /// What a host or another user wrote, without the characters that would steer the terminal.
    static func plain(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? "?" : $0 }))
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
    }
}

/// Columns as wide as what is in them; on a terminal the last one gives way.
struct Table {
    private let titles: [String]
    private var rows: [[String]] = []

    init(_ titles: [String]) { self.titles = titles }

    mutating func add(_ row: [String]) { rows.append(row.map { Terminal.plain($0) }) }

    /// - Parameter width: of the terminal; nil: as wide as it comes.
    func lines(width: Int?, isColored: Bool) -> [String] {
        let all = [titles] + rows
        let widths = titles.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.enumerated().map { number, row in
            var line = ""
            var taken = 0
            for (column, text) in row.enumerated() {
                var cell = text
                if let width, column == row.count - 1, taken + cell.count > width {
                    cell = String(cell.prefix(max(0, width - taken - 1))) + "…"
                }
                let space = column == row.count - 1 ? 0 : widths[column] + 2 - cell.count
                taken += cell.count + space
                let color = isColored && number > 0 ? Self.colors[cell] : nil
                line += (color.map { "\u{1B}[\($0)m\(cell)\u{1B}[0m" } ?? cell) + String(repeating: " ", count: space)
            }
            return line
        }
    }

    func print() {
        for line in lines(width: Terminal.columns, isColored: Terminal.hasColor) { Swift.print(line) }
    }

    /// States of jobs that one looks for.
    private static let colors = [
        "completed": "32", "running": "36", "printing": "36", "failed": "31", "rejected": "31", "uncertain": "33",
        "held": "33", "expired": "31",
    ]
}
