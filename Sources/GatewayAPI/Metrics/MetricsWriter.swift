import Jobs

/// Writes the Prometheus text format 0.0.4, or OpenMetrics 1.0.0. A family is written whole before the next begins.
struct MetricsWriter {
    enum Format: Sendable {
        case prometheus, openMetrics

        var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    enum Kind: String { case counter, gauge, histogram, info }

    typealias Labels = [(String, String)]

    let format: Format
    private(set) var bytes: [UInt8] = []
    private var name = ""
    /// Samples of other hosts are left out; nil: none are.
    private let hosts: Set<String>?

    init(_ format: Format, hosts: Set<String>? = nil) {
        self.format = format
        self.hosts = hosts
    }

    /// Begins a family.
    ///
    /// - Parameter name: of its samples; OpenMetrics calls the family of a counter by its name without `_total`.
    mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        var family = name
        var word = kind.rawValue
        switch (kind, format) {
        case (.counter, .openMetrics): family = String(name.dropLast("_total".count))
        case (.info, .openMetrics): family = String(name.dropLast("_info".count))
        case (.info, .prometheus): word = Kind.gauge.rawValue
        case (.counter, .prometheus), (.gauge, _), (.histogram, _): break
        }
        bytes += "# HELP \(family) \(help)\n# TYPE \(family) \(word)\n".utf8
    }

    /// A sample of the family that was begun last.
    mutating func sample(_ labels: Labels = [], suffix: String = "", _ value: some CustomStringConvertible) {
        if let hosts, let host = labels.first(where: { $0.0 == "host" })?.1, !hosts.contains(host) { return }
        bytes += name.utf8
        bytes += suffix.utf8
        if !labels.isEmpty {
            let text = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
            bytes += "{\(text)}".utf8
        }
        bytes += " \(value.description)\n".utf8
    }

    mutating func sample(_ labels: Labels = [], _ histogram: Histogram) {
        var sum: UInt64 = 0
        for (bound, count) in zip(histogram.bounds, histogram.buckets) {
            sum += count
            sample(labels + [("le", bound.description)], suffix: "_bucket", sum)
        }
        sample(labels + [("le", "+Inf")], suffix: "_bucket", histogram.count)
        sample(labels, suffix: "_sum", histogram.sum)
        sample(labels, suffix: "_count", histogram.count)
    }

    mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: some CustomStringConvertible) {
        family(name, kind, help)
        sample([], value)
    }

    mutating func end() {
        if format == .openMetrics { bytes += "# EOF\n".utf8 }
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
