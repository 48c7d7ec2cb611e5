import Glibc

/// An authority and certificates under it, made by the `openssl` command in a folder of its own.
package struct TestCertificates: Sendable {
    package let folder: String
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
        var name = Array("/tmp/port77-tls-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { throw Failed(arguments: ["mkdtemp"]) }
        folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
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
                + [
                    "-keyout", path("\(name).key"), "-out", path("\(name).csr"), "-subj", "/CN=\(name)",
                    "-addext", "subjectAltName=\(names)",
                ])
        try openssl([
            "x509", "-req", "-in", path("\(name).csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
            "-CAcreateserial", "-out", path("\(name).pem"), "-days", "2", "-copy_extensions", "copyall",
        ])
    }

    package func path(_ name: String) -> String { "\(folder)/\(name)" }

    private struct Failed: Error { let arguments: [String] }

    private func openssl(_ arguments: [String]) throws {
        // Not by Foundation's Process, in which AddressSanitizer finds a fault of its own.
        var words: [UnsafeMutablePointer<CChar>?] = (["openssl"] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        for descriptor in CInt(0)...2 { posix_spawn_file_actions_addopen(&files, descriptor, "/dev/null", O_RDWR, 0) }
        var process = pid_t()
        var status: CInt = -1
        guard posix_spawnp(&process, "openssl", &files, nil, &words, nil) == 0,
            waitpid(process, &status, 0) == process, status == 0
        else { throw Failed(arguments: arguments) }
    }
}
