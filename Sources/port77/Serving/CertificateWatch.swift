import Glibc
import Lines
import Logging

/// Takes up a renewed certificate when its files change.
struct CertificateWatch: Sendable {
    let tls: TLSServerSettings
    let log: Logger

    private struct Mark: Equatable {
        let node: UInt
        let size: Int
        let seconds: Int
        let nanoseconds: Int
    }

    /// Until cancelled. Two files are not renewed in one moment: what does not fit together yet is tried again.
    func run() async {
        var known = marks()
        var told: [Mark?] = []
        while !Task.isCancelled {
            do { try await Task.sleep(for: .seconds(2)) } catch { return }
            let now = marks()
            guard now != known else { continue }
            do {
                try tls.reload()
                known = now
                log.notice("the certificate is read again", metadata: ["certificate": "\(tls.files.certificate)"])
            } catch  where now == told {
                continue
            } catch {
                told = now
                log.error("the new certificate cannot be used, the old one stays", metadata: ["error": "\(error)"])
            }
        }
    }

    private func marks() -> [Mark?] {
        let files = tls.files
        return [files.certificate, files.key, files.clients.authorityFile].map { path in
            var status = stat()
            guard let path, stat(path, &status) == 0 else { return nil }
            return Mark(
                node: UInt(status.st_ino), size: Int(status.st_size), seconds: Int(status.st_mtim.tv_sec),
                nanoseconds: Int(status.st_mtim.tv_nsec))
        }
    }
}
