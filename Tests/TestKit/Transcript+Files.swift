package import Foundation

extension Transcript {
    /// The transcripts beside a test, by name.
    ///
    ///     Transcript.all(beside: #filePath)
    package static func all(beside testFile: String) throws -> [Transcript] {
        let folder = URL(filePath: testFile).deletingLastPathComponent().appending(path: "Transcripts")
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "txt" }
            .sorted { $0.path < $1.path }
            .map { try Transcript(file: $0) }
    }

    package init(file: URL) throws {
        try self.init(
            name: file.deletingPathExtension().lastPathComponent, text: String(contentsOf: file, encoding: .utf8))
    }
}

/// The files of the corpus beside a test: each a finding of a fuzzer, or a seed.
package func corpus(beside testFile: String, _ folder: String) throws -> [(name: String, octets: [UInt8])] {
    let url = URL(filePath: testFile).deletingLastPathComponent().appending(path: "Corpus/\(folder)")
    guard FileManager.default.fileExists(atPath: url.path) else { return [] }
    return try FileManager.default.contentsOfDirectory(at: url, includingPropertiesForKeys: nil)
        .sorted { $0.path < $1.path }
        .map { (name: $0.lastPathComponent, octets: Array(try Data(contentsOf: $0))) }
}
