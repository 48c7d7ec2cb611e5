package import Jobs
package import Protocols
import Wire

/// The gateway's side of RFC 407 with FTP: decks are laid on an FTP server for the host to fetch, and print-out is taken
/// from there. Text only (`:T`): servers that know STRU R and MODE B are hardly left.
package struct FTPExchange: RFC407FileExchange {
    private let server: FTPLogOn
    /// As the host is told it.
    private let seenAs: UInt32
    /// Put before every name; empty, or ending in a slash.
    private let folder: String

    package init(_ server: FTPLogOn, seenAs: UInt32, folder: String?) {
        self.server = server
        self.seenAs = seenAs
        self.folder = folder.map { $0.hasSuffix("/") ? $0 : $0 + "/" } ?? ""
    }

    package var identity: (user: String, password: String)? { (server.user, server.password) }

    package func offer(_ deck: PreparedDeck, _ attributes: RFC407.Attributes) async throws(StationError)
        -> RFC407.FileID
    {
        let path = "\(folder)p77-\(deck.job).jcl"
        let text = DeckText(deck, RFC407.StreamFormat(attributes, .input))
        do {
            try await FTPTransfer(server, pathname: path).send(appending: false) { try await text.next() }
        } catch {
            throw .refused("the deck could not be laid down at the FTP server: \(Self.words(error))")
        }
        return .path(.number(seenAs), attributes, pathname: path)
    }

    package func place(for file: String, of job: JobNumber, _ attributes: RFC407.Attributes) -> RFC407.FileID {
        let random = Hex.encode((0..<8).map { _ in UInt8.random(in: .min ... .max) })
        let name = "p77-\(job)-\(file.isEmpty ? "print" : file)-\(random).out"
        return .path(.number(seenAs), attributes, pathname: folder + name)
    }

    package func take(
        _ place: RFC407.FileID, piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(StationError) {
        guard case .path(_, _, let path) = place else { throw .local("no file of an FTP server") }
        do {
            try await FTPTransfer(server, pathname: path).retrieve(piece: piece)
        } catch let failure as FTPTransfer.Failure {
            throw .lineLost("the file could not be taken from the FTP server: \(Self.words(failure))")
        } catch {
            throw .local("\(error)")
        }
    }

    package func remove(_ place: RFC407.FileID) async {
        guard case .path(_, _, let path) = place else { return }
        // What stays lies in the FTP server's folder and harms nobody.
        try? await FTPTransfer(server, pathname: path).delete()
    }

    package static func words(_ error: any Error) -> String {
        switch error {
        case FTPTransfer.Failure.logOnRefused(let words), FTPTransfer.Failure.fileRefused(let words),
            FTPTransfer.Failure.failed(let words):
            words
        default: "\(error)"
        }
    }
}

/// A deck as the lines of its cards, read while it goes.
private actor DeckText {
    private let deck: PreparedDeck
    private var writer: RFC407.StreamWriter
    private var splitter: RecordSplitter
    private var offset = 0
    private var isOver = false

    init(_ deck: PreparedDeck, _ format: RFC407.StreamFormat) {
        self.deck = deck
        writer = RFC407.StreamWriter(format)
        let page = CodePage(named: deck.code) ?? .ascii
        switch deck.form {
        case .variable: splitter = RecordSplitter(.text(page))
        case .fixed(let length): splitter = RecordSplitter(.fixed(length))
        }
    }

    func next() async throws -> [UInt8]? {
        var text: [UInt8] = []
        while text.isEmpty, !isOver {
            let piece = try await deck.read(offset, 64 * 1024)
            offset += piece.count
            splitter.append(piece)
            while let card = try splitter.next() { try writer.append(card, to: &text) }
            if piece.isEmpty {
                isOver = true
                if let card = try splitter.finish() { try writer.append(card, to: &text) }
                writer.finish(to: &text)
            }
        }
        return text.isEmpty ? nil : text
    }
}
