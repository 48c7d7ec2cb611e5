import Lines
import Protocols
import ReferenceHost
import Stations

/// The reference host as an FTP client: INPUT and OUT with a path. Text only: TYPE A, STRU F, MODE S; what else a file
/// identifier asks for is refused and never changed in silence.
struct HostFTP: RFC407FTP {
    func retrieve(
        _ file: RFC407FTPFile, begun: @Sendable () async -> Void, piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(RFC407FTPFault) {
        let transfer = try Self.transfer(file, .input)
        do {
            try await transfer.retrieve(begun: begun, piece: piece)
        } catch {
            throw Self.fault(error)
        }
    }

    func append(
        _ file: RFC407FTPFile, next: @Sendable () async throws -> [UInt8]?
    ) async throws(RFC407FTPFault) {
        let transfer = try Self.transfer(file, .output)
        do {
            try await transfer.send(appending: true, next: next)
        } catch {
            throw Self.fault(error)
        }
    }

    private static func transfer(
        _ file: RFC407FTPFile, _ direction: RFC407.Direction
    ) throws(RFC407FTPFault) -> FTPTransfer {
        guard file.attributes.mode(for: direction) == .text, !file.attributes.isEBCDIC else {
            throw .fileRefused("only :T is moved by FTP; records (A, N) and EBCDIC (E) are not")
        }
        do {
            return try FTPTransfer(
                FTPLogOn(authority: "\(file.address)", user: file.user, password: file.password),
                pathname: file.pathname)
        } catch {
            throw fault(error)
        }
    }

    private static func fault(_ error: any Error) -> RFC407FTPFault {
        switch error {
        case FTPTransfer.Failure.logOnRefused(let words): .logOnRefused(words)
        case FTPTransfer.Failure.fileRefused(let words): .fileRefused(words)
        default: .failed(FTPExchange.words(error))
        }
    }
}
