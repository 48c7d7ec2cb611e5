import Glibc
import Jobs
import Logging
import Synchronization
import Wire

/// Log lines on standard error: constant sentences, values in named fields. Plain for people, JSON for collectors.
enum Logs {
    static let levels = Logger.Level.allCases.map(\.rawValue)

    static func makeLogger(_ settings: Configuration.Log) -> Logger {
        setLevel(settings.level)
        return Logger(label: "port77") { _ in LineLog(format: settings.format) }
    }

    /// For every logger there is; unknown names change nothing.
    static func setLevel(_ name: String) {
        if let level = Logger.Level(rawValue: name) { Logs.level.withLock { $0 = level } }
    }

    fileprivate static let level = Mutex(Logger.Level.info)
}

private struct LineLog: LogHandler {
    let format: Configuration.Log.Format
    private var ownLevel: Logger.Level?
    var metadata: Logger.Metadata = [:]

    init(format: Configuration.Log.Format) { self.format = format }

    var logLevel: Logger.Level {
        get { ownLevel ?? Logs.level.withLock { $0 } }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let time = WallClock.system.now().rfc3339
        var line: [UInt8]
        switch format {
        case .json:
            var json = JSONWriter(capacity: 256)
            json.beginObject()
            json.key("time")
            json.string(time)
            json.key("level")
            json.string(event.level.rawValue)
            json.key("event")
            json.string(event.message.description)
            for (key, value) in fields {
                json.key(key)
                json.string(value.description)
            }
            json.endObject()
            line = json.bytes
        case .text:
            var text = "\(time) \(event.level.rawValue) \(event.message)"
            for (key, value) in fields { text += " \(key)=\(Self.quoted(value.description))" }
            line = Array(text.utf8)
        }
        line.append(0x0A)
        Self.write(line)
    }

    /// What cannot be written is lost: nothing stops because nobody reads the log.
    private static func write(_ line: [UInt8]) {
        line.withUnsafeBytes { octets in
            var rest = octets[...]
            while !rest.isEmpty {
                let count = Glibc.write(STDERR_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                guard count > 0 else {
                    if count < 0, errno == EINTR { continue }
                    return
                }
                rest = rest.dropFirst(count)
            }
        }
    }

    private static func quoted(_ text: String) -> String {
        let isPlain = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 }
        if isPlain { return text }
        var json = JSONWriter(capacity: text.utf8.count + 2)
        json.string(text)
        return String(decoding: json.bytes, as: UTF8.self)
    }
}
