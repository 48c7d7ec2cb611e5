import HTTPCore
import Jobs
import Wire

/// The outputs of a job as parts of one body, each with the fields it has by itself: a client cuts it apart as it comes.
struct OutputParts: Sendable {
    let job: JobID
    let files: [OutputFile]
    let boundary: String
    let pieceOctets: Int

    init(_ files: [OutputFile], of job: JobID, pieceOctets: Int) {
        self.job = job
        self.files = files
        self.pieceOctets = pieceOctets
        // Nothing printed has it in it: it hangs on the hash of all that was printed.
        boundary = "port77-\(ContentHash(of: Array(job.description.utf8) + Self.hashes(files)).hex.prefix(40))"
    }

    static func hashes(_ files: [OutputFile]) -> [UInt8] { files.flatMap { $0.hash?.octets ?? [] } }

    var contentType: String { "\(Rendering.mixed.mediaType); boundary=\(boundary)" }

    func write(to outlet: Outlet) async throws {
        for (index, file) in files.enumerated() {
            let isText = file.code != "BINARY"
            let (length, digest) = isText ? (file.textOctets, file.textHash) : (file.octets, file.hash)
            var head = "\(index == 0 ? "" : "\r\n")--\(boundary)\r\n"
            head += "Content-Type: \(isText ? MediaTypes.utf8Text : MediaTypes.octets)\r\n"
            if length >= 0 { head += "Content-Length: \(length)\r\n" }
            head += "Content-Location: /v1/jobs/\(job)/outputs/\(file.number)\r\n"
            head += "Content-Disposition: attachment; filename=\"\(JobArchive.name(file, isText ? "txt" : "bin"))\"\r\n"
            if let digest { head += "Repr-Digest: sha-256=:\(Base64.encode(digest.octets)):\r\n" }
            try await outlet.write(Array("\(head)\r\n".utf8))
            var stream = OutputSource.Part(
                prefix: [], length: nil, slice: OutputSlice(file), renderer: isText ? file.renderer : nil
            ).stream(pieceOctets: pieceOctets)
            while let piece = try await stream.next() { try await outlet.write(piece) }
        }
        // There is no body of no parts: a job without output has an empty one.
        if files.isEmpty { try await outlet.write(Array("--\(boundary)\r\n\r\n".utf8)) }
        try await outlet.write(Array("\r\n--\(boundary)--\r\n".utf8))
    }
}
