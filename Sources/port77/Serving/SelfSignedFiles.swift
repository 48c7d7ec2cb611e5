import Foundation
import Jobs
import Lines
import Wire

/// A certificate for trials in the data folder, made when there is none, or it runs out, or other names are wanted.
struct SelfSignedFiles {
    let files: TLSServerSettings.Files
    let fingerprint: String

    init(folder data: String, listens: [Configuration.Listen]) throws {
        let folder = data + "/tls"
        files = TLSServerSettings.Files(certificate: folder + "/certificate.pem", key: folder + "/key.pem")
        let names = Self.names(listens)
        if !Self.isGood(files, names: names, folder) {
            let made = try SelfSigned(names: names, life: .seconds(397 * 86_400))
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true,
                attributes: [.posixPermissions: NSNumber(value: 0o700)])
            try Self.write(made.keyPEM, files.key, mode: 0o600)
            try Self.write(made.certificatePEM, files.certificate, mode: 0o644)
            try Self.write(Array(names.joined(separator: "\n").utf8), folder + "/names", mode: 0o644)
        }
        let octets = try CertificateFacts(file: files.certificate).fingerprint
        fingerprint = octets.map { Hex.encode([$0]).uppercased() }.joined(separator: ":")
    }

    private static func isGood(_ files: TLSServerSettings.Files, names: [String], _ folder: String) -> Bool {
        guard let facts = try? CertificateFacts(file: files.certificate),
            let known = readSmallFile(folder + "/names"), (try? TLSServerSettings(files)) != nil
        else { return false }
        let inAWeek = WallClock.system.now().advanced(by: .seconds(7 * 86_400)).microseconds / 1_000_000
        return facts.notAfter > inAWeek && known == Array(names.joined(separator: "\n").utf8)
    }

    private static func names(_ listens: [Configuration.Listen]) -> [String] {
        var host = [CChar](repeating: 0, count: 256)
        var names = ["localhost", "127.0.0.1", "::1"]
        if gethostname(&host, host.count - 1) == 0 {
            names.append(String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        for listen in listens {
            guard case .place(.address(let address)) = listen.spot, address.ip != .any, address.ip != .anyV6 else {
                continue
            }
            names.append("\(address.ip)")
        }
        return names
    }

    private static func write(_ octets: [UInt8], _ path: String, mode: Int) throws {
        let made = FileManager.default.createFile(
            atPath: path, contents: Data(octets), attributes: [.posixPermissions: NSNumber(value: mode)])
        guard made else { throw ConfigurationFault(line: 0, column: 0, words: "\(path) cannot be written") }
    }
}
