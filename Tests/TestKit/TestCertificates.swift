package import Foundation

/// An authority and certificates under it, made by the `openssl` command in a folder of its own.
package struct TestCertificates: Sendable {
    package let folder: URL
    package var authority: String { path("ca.pem") }
    /// For localhost, 127.0.0.1 and ::1.
    package var certificate: String { path("good.pem") }
    package var key: String { path("good.key") }
    /// Under the same authority, for another host.
    package var foreignCertificate: String { path("foreign.pem") }
    package var foreignKey: String { path("foreign.key") }
    /// An authority that has signed nothing of the above.
    package var strangeAuthority: String { path("strange.pem") }

    package static let shared = Result { try TestCertificates() }

    private init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("port77-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try authority("ca")
        try authority("strange")
        try certificate("good", names: "DNS:localhost,IP:127.0.0.1,IP:::1")
        try certificate("foreign", names: "DNS:elsewhere.example")
    }

    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    private func authority(_ name: String) throws {
        try openssl(
            ["req", "-x509"] + Self.newKey
                + [
                    "-keyout", path("\(name).key"), "-out", path("\(name).pem"), "-days", "2", "-subj",
                    "/CN=port77 \(name)",
                ])
    }

    private func certificate(_ name: String, names: String) throws {
        try openssl(
            ["req"] + Self.newKey
                + ["-keyout", path("\(name).key"), "-out", path("\(name).csr"), "-subj", "/CN=\(name)"])
        try Data("subjectAltName=\(names)\n".utf8).write(to: folder.appendingPathComponent("\(name).ext"))
        try openssl([
            "x509", "-req", "-in", path("\(name).csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
            "-CAcreateserial", "-out", path("\(name).pem"), "-days", "2", "-extfile", path("\(name).ext"),
        ])
    }

    package func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    private struct Failed: Error { let arguments: [String] }

    private func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed(arguments: arguments) }
    }
}
