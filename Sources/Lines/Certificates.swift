import COpenSSL
import Glibc

/// What a certificate says of itself.
package struct CertificateFacts: Equatable, Sendable {
    /// SHA-256 over the certificate (DER).
    package let fingerprint: [UInt8]
    /// Seconds since 1970, UTC, both in.
    package let notBefore: Int64
    package let notAfter: Int64

    /// - Parameter file: PEM; its first certificate counts.
    package init(file: String) throws(LineError) {
        ERR_clear_error()
        guard let bio = BIO_new_file(file, "r") else {
            ERR_clear_error()
            throw .tls("\(file) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { BIO_free(bio) }
        guard let certificate = PEM_read_bio_X509(bio, nil, nil, nil) else {
            ERR_clear_error()
            throw .tls("\(file) holds no certificate in PEM")
        }
        defer { X509_free(certificate) }
        guard let fingerprint = certificate.sha256, let first = Self.seconds(X509_get0_notBefore(certificate)),
            let last = Self.seconds(X509_get0_notAfter(certificate))
        else { throw .tls("the certificate in \(file) cannot be read: \(TLSSession.lastError())") }
        self.fingerprint = fingerprint
        notBefore = first
        notAfter = last
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        var parts = tm()
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return Int64(timegm(&parts))
    }
}

extension OpaquePointer {
    /// The hash of an `X509`.
    var sha256: [UInt8]? {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length: UInt32 = 0
        guard X509_digest(self, EVP_sha256(), &digest, &length) == 1 else { return nil }
        return Array(digest.prefix(Int(length)))
    }
}

/// A new key (P-256) and a certificate that it has signed itself, for trials: clients must be given the certificate.
package struct SelfSigned: Sendable {
    package let certificatePEM: [UInt8]
    package let keyPEM: [UInt8]

    /// - Parameters:
    ///   - names: DNS names and addresses; what is neither is left out.
    ///   - life: from now, with an hour before it for clocks that are slow.
    package init(names: [String], life: Duration) throws(LineError) {
        ERR_clear_error()
        guard let key = Self.newKey() else { throw Self.failure() }
        defer { EVP_PKEY_free(key) }
        guard let certificate = X509_new() else { throw Self.failure() }
        defer { X509_free(certificate) }
        guard X509_set_version(certificate, 2) == 1, Self.setSerial(certificate),
            X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != nil,
            X509_gmtime_adj(X509_getm_notAfter(certificate), Int(life.components.seconds)) != nil,
            X509_set_pubkey(certificate, key) == 1
        else { throw Self.failure() }
        let subject = X509_get_subject_name(certificate)
        let words = Array("port77 self-signed".utf8)
        guard
            X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, words, Int32(words.count), -1, 0) == 1,
            X509_set_issuer_name(certificate, subject) == 1
        else { throw Self.failure() }
        let extensions = [
            (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
            (NID_ext_key_usage, "serverAuth"), (NID_subject_key_identifier, "hash"),
            (NID_subject_alt_name, Self.alternatives(names)),
        ]
        for (kind, value) in extensions where !Self.extend(certificate, kind, value) { throw Self.failure() }
        guard X509_sign(certificate, key, EVP_sha256()) > 0,
            let certificatePEM = Self.pem({ PEM_write_bio_X509($0, certificate) }),
            let keyPEM = Self.pem({ PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) })
        else { throw Self.failure() }
        self.certificatePEM = certificatePEM
        self.keyPEM = keyPEM
    }

    private static func failure() -> LineError { .tls("no certificate could be made: \(TLSSession.lastError())") }

    private static func newKey() -> OpaquePointer? {
        guard let context = EVP_PKEY_CTX_new_id(NID_X9_62_id_ecPublicKey, nil) else { return nil }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1,
            EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1,
            EVP_PKEY_keygen(context, &key) == 1
        else { return nil }
        return key
    }

    private static func setSerial(_ certificate: OpaquePointer) -> Bool {
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), UInt64.random(in: 1...(.max >> 1))) == 1
    }

    /// Only names that are addresses or made of the characters of DNS: the text is read by libcrypto's configuration reader.
    private static func alternatives(_ names: [String]) -> String {
        var seen: Set<String> = []
        let parts = names.compactMap { name -> String? in
            if IPAddress(name) != nil { return "IP:\(name)" }
            let isName = name.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D
                    || $0 == 0x2E
            }
            return isName && (1...253).contains(name.utf8.count) ? "DNS:\(name)" : nil
        }
        return parts.filter { seen.insert($0).inserted }.joined(separator: ",")
    }

    private static func extend(_ certificate: OpaquePointer, _ kind: Int32, _ value: String) -> Bool {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, certificate, certificate, nil, nil, 0)
        guard let extra = X509V3_EXT_nconf_nid(nil, &context, kind, value) else { return false }
        defer { X509_EXTENSION_free(extra) }
        return X509_add_ext(certificate, extra, -1) == 1
    }

    private static func pem(_ write: (OpaquePointer) -> Int32) -> [UInt8]? {
        guard let bio = BIO_new(BIO_s_mem()) else { return nil }
        defer { BIO_free(bio) }
        guard write(bio) == 1 else { return nil }
        var octets = [UInt8](repeating: 0, count: Int(BIO_ctrl(bio, BIO_CTRL_PENDING, 0, nil)))
        let count = BIO_read(bio, &octets, Int32(octets.count))
        return count == octets.count ? octets : nil
    }
}
