import COpenSSL

/// A certificate and its key in memory (PEM), as a client shows them.
package enum TLSIdentity {
    /// - Throws: `.tls` in words for whoever wrote them. The words hold nothing of the key.
    package static func check(certificate: String, key: String) throws(LineError) {
        ERR_clear_error()
        guard let leaf = read(certificate, { PEM_read_bio_X509($0, nil, refusePassphrase, nil) }) else {
            throw .tls("The certificate is no certificate in PEM form.")
        }
        defer { X509_free(leaf) }
        guard let secret = read(key, { PEM_read_bio_PrivateKey($0, nil, refusePassphrase, nil) }) else {
            throw .tls("The key is no private key in PEM form without a passphrase.")
        }
        defer { EVP_PKEY_free(secret) }
        guard X509_check_private_key(leaf, secret) == 1 else { throw .tls("The key is not that of the certificate.") }
        guard X509_cmp_current_time(X509_get0_notAfter(leaf)) > 0 else { throw .tls("The certificate has expired.") }
    }

    private static func read(_ text: String, _ reader: (OpaquePointer) -> OpaquePointer?) -> OpaquePointer? {
        let octets = Array(text.utf8)
        return octets.withUnsafeBytes { buffer in
            guard let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: buffer.count)) else { return nil }
            defer { BIO_free(bio) }
            return reader(bio)
        }
    }
}

/// Without it libcrypto asks the terminal.
private let refusePassphrase:
    @convention(c) (UnsafeMutablePointer<CChar>?, CInt, CInt, UnsafeMutableRawPointer?) -> CInt =
        { _, _, _, _ in -1 }
