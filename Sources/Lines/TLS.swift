import COpenSSL
import Glibc

/// A certificate and its key, ready for the server side. TLS 1.2 and later. All copies share what `use` and `reload` put in.
package struct TLSServerSettings: Sendable {
    private let current: Locked<(files: Files, context: TLSContext)>
    var context: TLSContext { current.withLock { $0.context } }

    /// What the files are, and what is asked of clients.
    package struct Files: Equatable, Sendable {
        /// PEM, the chain after the certificate.
        package var certificate: String
        package var key: String
        package var clients: Clients
        package var minimum: Version

        package init(certificate: String, key: String, clients: Clients = .unasked, minimum: Version = .tls12) {
            self.certificate = certificate
            self.key = key
            self.clients = clients
            self.minimum = minimum
        }
    }

    package enum Version: String, CaseIterable, Sendable { case tls12 = "1.2", tls13 = "1.3" }

    /// Whether clients show a certificate.
    package enum Clients: Equatable, Sendable {
        /// They are not asked.
        case unasked
        /// They are asked, and may have none. One that no authority of this PEM file signed ends the handshake.
        case asked(authorityFile: String)
        /// Without a certificate of theirs there is no session.
        case required(authorityFile: String)

        package var authorityFile: String? {
            switch self {
            case .unasked: nil
            case .asked(let file), .required(let file): file
            }
        }
    }

    package init(_ files: Files) throws(LineError) {
        current = Locked((files, try TLSServerSettings.read(files)))
    }

    /// - Parameters: PEM files; the certificate file may hold the chain after the certificate.
    package init(
        certificateFile: String, keyFile: String, clients: Clients = .unasked
    ) throws(LineError) {
        try self.init(Files(certificate: certificateFile, key: keyFile, clients: clients))
    }

    package var files: Files { current.withLock { $0.files } }

    /// Reads the files again: for connections from now on, those that stand keep what they have. When it throws nothing has
    /// changed.
    package func reload() throws(LineError) { try use(files) }

    /// As `reload`, with other files.
    package func use(_ files: Files) throws(LineError) {
        let new = try TLSServerSettings.read(files)
        current.withLock { $0 = (files, new) }
    }

    private static func read(_ files: Files) throws(LineError) -> TLSContext {
        let context = try TLSContext(isServer: true)
        if files.minimum == .tls13 {
            SSL_CTX_ctrl(context.pointer, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_3_VERSION), nil)
        }
        try context.use(files.certificate, files.key)
        // Sessions are not resumed across contexts without a name, and with client certificates libssl insists on one.
        let name: [UInt8] = Array("port77".utf8)
        SSL_CTX_set_session_id_context(context.pointer, name, UInt32(name.count))
        switch files.clients {
        case .unasked: break
        case .asked(let file): try context.askClients(authorityFile: file, more: 0)
        case .required(let file): try context.askClients(authorityFile: file, more: SSL_VERIFY_FAIL_IF_NO_PEER_CERT)
        }
        return context
    }
}

/// Who the other end of a session is, by a certificate that an authority we trust has signed.
package struct TLSPeer: Hashable, Sendable {
    /// SHA-256 over the certificate (DER).
    package let fingerprint: [UInt8]
    /// The common name of its subject, if it has one.
    package let commonName: String?
    /// Its alternative names: `dns:ci.example`, `email:ops@example`, `uri:spiffe://example/ci`. Other kinds are left out.
    package let alternativeNames: [String]

    package init(fingerprint: [UInt8], commonName: String? = nil, alternativeNames: [String] = []) {
        self.fingerprint = fingerprint
        self.commonName = commonName
        self.alternativeNames = alternativeNames
    }
}

/// Whom the client side trusts. The certificate and the name in it are always checked.
package struct TLSClientSettings: Sendable {
    let context: TLSContext
    let expectedName: String?

    /// - Parameters:
    ///   - authorityFile: PEM file of the authorities to trust instead of the system's.
    ///   - expectedName: name the certificate must bear when it is not that of the host connected to.
    ///   - certificateFile, keyFile: shown to a server that asks who we are.
    package init(
        authorityFile: String? = nil, expectedName: String? = nil, certificateFile: String? = nil,
        keyFile: String? = nil
    ) throws(LineError) {
        let context = try TLSContext(isServer: false)
        if let certificateFile, let keyFile { try context.use(certificateFile, keyFile) }
        if let authorityFile {
            guard SSL_CTX_load_verify_locations(context.pointer, authorityFile, nil) == 1 else {
                throw .tls("cannot use the authorities in \(authorityFile): \(TLSSession.lastError())")
            }
        } else {
            guard SSL_CTX_set_default_verify_paths(context.pointer) == 1 else {
                throw .tls("no system store of authorities: \(TLSSession.lastError())")
            }
        }
        SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
        self.context = context
        self.expectedName = expectedName
    }
}

/// An `SSL_CTX`. Written to before it is shared, then only read; libssl counts references to it atomically.
final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer
    let isServer: Bool

    init(isServer: Bool) throws(LineError) {
        ERR_clear_error()
        guard let pointer = SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
            throw .tls(TLSSession.lastError())
        }
        self.pointer = pointer
        self.isServer = isServer
        SSL_CTX_ctrl(pointer, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_2_VERSION), nil)
        let modes = SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
        SSL_CTX_ctrl(pointer, SSL_CTRL_MODE, Int(modes), nil)
        // SSL_OP_NO_COMPRESSION and SSL_OP_NO_RENEGOTIATION; the macros that name them are not visible to Swift.
        SSL_CTX_set_options(pointer, 1 << 17 | 1 << 30)
    }

    deinit { SSL_CTX_free(pointer) }

    fileprivate func use(_ certificateFile: String, _ keyFile: String) throws(LineError) {
        guard SSL_CTX_use_certificate_chain_file(pointer, certificateFile) == 1 else {
            throw .tls("cannot use the certificate in \(certificateFile): \(TLSSession.lastError())")
        }
        guard SSL_CTX_use_PrivateKey_file(pointer, keyFile, SSL_FILETYPE_PEM) == 1,
            SSL_CTX_check_private_key(pointer) == 1
        else { throw .tls("cannot use the key in \(keyFile): \(TLSSession.lastError())") }
    }

    fileprivate func askClients(authorityFile: String, more: Int32) throws(LineError) {
        guard SSL_CTX_load_verify_locations(pointer, authorityFile, nil) == 1 else {
            throw .tls("cannot use the authorities in \(authorityFile): \(TLSSession.lastError())")
        }
        SSL_CTX_set_client_CA_list(pointer, SSL_load_client_CA_file(authorityFile))
        SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER | more, nil)
    }
}

/// libssl between two memory buffers: the loop keeps the socket, libssl sees bytes only. Confined to the loop.
final class TLSSession {
    enum Step { case needsMore, done, failed(String) }
    enum Input { case bytes(Int), needsMore, finished, failed(String) }

    private let session: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    /// Written, not yet encrypted.
    var plain: OutgoingQueue
    /// Say goodbye (close_notify) after the last plain byte.
    var closesAfterPlain = false
    var owesGoodbye: Bool { closesAfterPlain && !saidGoodbye && !isBroken }
    private var isEstablished = false
    private var knownPeer: TLSPeer??
    private var saidGoodbye = false
    /// After a fatal error libssl must not be asked for anything more.
    private var isBroken = false
    /// Ciphertext queued ahead of the socket; more is made when this has left.
    private static let mostAhead = 64 * 1024

    init(accepting settings: TLSServerSettings, pool: ChunkPool) throws(LineError) {
        (session, incoming, outgoing) = try TLSSession.make(settings.context)
        plain = OutgoingQueue(pool: pool)
        SSL_set_accept_state(session)
    }

    init(connecting settings: TLSClientSettings, to host: String, pool: ChunkPool) throws(LineError) {
        (session, incoming, outgoing) = try TLSSession.make(settings.context)
        plain = OutgoingQueue(pool: pool)
        SSL_set_connect_state(session)
        let name = settings.expectedName ?? host
        if IPAddress(name) != nil {
            guard X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name) == 1 else {
                throw .tls("cannot check for the address \(name)")
            }
        } else {
            guard SSL_set1_host(session, name) == 1 else { throw .tls("cannot check for the name \(name)") }
            var octets = Array(name.utf8CString)
            _ = octets.withUnsafeMutableBytes {
                SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), $0.baseAddress)
            }
        }
    }

    deinit { SSL_free(session) }

    private static func make(
        _ context: TLSContext
    ) throws(LineError) -> (OpaquePointer, OpaquePointer, OpaquePointer) {
        ERR_clear_error()
        guard let session = SSL_new(context.pointer) else { throw .tls(lastError()) }
        guard let incoming = BIO_new(BIO_s_mem()), let outgoing = BIO_new(BIO_s_mem()) else {
            SSL_free(session)
            throw .tls("out of memory")
        }
        // An empty buffer means "later", not "end of file".
        BIO_ctrl(incoming, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, nil)
        BIO_ctrl(outgoing, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, nil)
        SSL_set_bio(session, incoming, outgoing)
        return (session, incoming, outgoing)
    }

    func feed(_ bytes: UnsafeRawBufferPointer) -> Bool {
        BIO_write(incoming, bytes.baseAddress, Int32(bytes.count)) == Int32(bytes.count)
    }

    func handshake() -> Step {
        ERR_clear_error()
        let result = SSL_do_handshake(session)
        if result == 1 {
            isEstablished = true
            return .done
        }
        return wantsMore(result) ? .needsMore : .failed(failure())
    }

    /// The other end's certificate, once the handshake is done; nil when it showed none.
    var peer: TLSPeer? {
        guard isEstablished else { return nil }
        if let knownPeer { return knownPeer }
        let peer = readPeer()
        knownPeer = .some(peer)
        return peer
    }

    private func readPeer() -> TLSPeer? {
        guard let certificate = SSL_get1_peer_certificate(session) else { return nil }
        defer { X509_free(certificate) }
        guard let fingerprint = certificate.sha256 else { return nil }
        return TLSPeer(
            fingerprint: fingerprint, commonName: TLSSession.commonName(certificate),
            alternativeNames: TLSSession.alternativeNames(certificate))
    }

    private static func alternativeNames(_ certificate: OpaquePointer) -> [String] {
        guard let names = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return [] }
        let list = OpaquePointer(names)
        defer { GENERAL_NAMES_free(list) }
        return (0..<max(0, OPENSSL_sk_num(list))).compactMap { index in
            guard let entry = OPENSSL_sk_value(list, index) else { return nil }
            var kind: CInt = 0
            let value = GENERAL_NAME_get0_value(entry.assumingMemoryBound(to: GENERAL_NAME.self), &kind)
            let prefix: String
            switch kind {
            case GEN_DNS: prefix = "dns:"
            case GEN_EMAIL: prefix = "email:"
            case GEN_URI: prefix = "uri:"
            default: return nil
            }
            return value.flatMap { text($0.assumingMemoryBound(to: ASN1_STRING.self)) }.map { prefix + $0 }
        }
    }

    private static func commonName(_ certificate: OpaquePointer) -> String? {
        let subject = X509_get_subject_name(certificate)
        let index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
        guard index >= 0, let entry = X509_NAME_get_entry(subject, index),
            let value = X509_NAME_ENTRY_get_data(entry)
        else { return nil }
        return text(value)
    }

    private static func text(_ value: UnsafePointer<ASN1_STRING>) -> String? {
        var text: UnsafeMutablePointer<UInt8>?
        let length = ASN1_STRING_to_UTF8(&text, value)
        guard length >= 0, let text else { return nil }
        defer { CRYPTO_free(text, nil, 0) }
        return String(validating: UnsafeBufferPointer(start: text, count: Int(length)), as: UTF8.self)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Input {
        guard !isBroken else { return .needsMore }
        ERR_clear_error()
        let count = SSL_read(session, buffer.baseAddress, Int32(buffer.count))
        if count > 0 { return .bytes(Int(count)) }
        if SSL_get_error(session, count) == SSL_ERROR_ZERO_RETURN { return .finished }
        return wantsMore(count) ? .needsMore : .failed(failure())
    }

    var hasOutput: Bool { BIO_ctrl(outgoing, BIO_CTRL_PENDING, 0, nil) > 0 }

    /// Encrypts what is plain, up to a bound, and moves ciphertext into the queue. Returns what went wrong.
    func produce(into queue: inout OutgoingQueue) -> String? {
        guard !isBroken else { return nil }
        takeOutput(into: &queue)
        guard isEstablished else { return nil }
        while !plain.isEmpty, queue.count < TLSSession.mostAhead {
            ERR_clear_error()
            let count = plain.withFirst { SSL_write(session, $0.baseAddress, Int32(min($0.count, 16 * 1024))) }
            guard count > 0 else {
                if wantsMore(count) { break }
                return failure()
            }
            plain.consume(Int(count))
            takeOutput(into: &queue)
        }
        // In the middle of the peer's message libssl would refuse; it is asked again when the rest has come.
        if owesGoodbye, plain.isEmpty, SSL_in_init(session) == 0 {
            saidGoodbye = true
            ERR_clear_error()
            _ = SSL_shutdown(session)
            takeOutput(into: &queue)
        }
        return nil
    }

    func takeOutput(into queue: inout OutgoingQueue) {
        while hasOutput {
            let room = queue.reserve(1)
            let count = BIO_read(outgoing, room.baseAddress, Int32(room.count))
            queue.commit(max(0, Int(count)))
            if count <= 0 { return }
        }
    }

    private func wantsMore(_ result: Int32) -> Bool {
        let error = SSL_get_error(session, result)
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE
    }

    private func failure() -> String {
        isBroken = true
        let verdict = SSL_get_verify_result(session)
        if verdict != Int(X509_V_OK), let text = X509_verify_cert_error_string(verdict) {
            ERR_clear_error()
            return "certificate not accepted: \(String(cString: text))"
        }
        return TLSSession.lastError()
    }

    /// The reason of the oldest error in libssl's queue, which is empty afterwards.
    static func lastError() -> String {
        let code = ERR_get_error()
        defer { ERR_clear_error() }
        guard code != 0 else { return "broken session" }
        if let reason = ERR_reason_error_string(code) { return String(cString: reason) }
        return "error \(code)"
    }
}
