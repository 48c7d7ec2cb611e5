/// Why a request cannot be read any further. The connection is closed after the answer, always: where the next
/// request would begin is no longer known.
package enum RequestFault: Error, Equatable, Sendable {
    /// 400, with the sentence for `detail`.
    case malformed(String)
    /// 414
    case targetTooLong
    /// 431
    case headTooLarge
    /// 413
    case bodyTooLarge(limit: Int)
    /// 501
    case unknownTransferCoding
    /// 505
    case unsupportedVersion
    /// 417
    case unknownExpectation

    package var problem: Problem {
        switch self {
        case .malformed(let detail): Problem(.malformedRequest, detail)
        case .targetTooLong: Problem(.uriTooLong, "The request line is too long.")
        case .headTooLarge: Problem(.headerTooLarge, "The header fields are too many or too long.")
        case .bodyTooLarge(let limit): Problem(.contentTooLarge, "The body may have \(limit) octets at most.")
        case .unknownTransferCoding: Problem(.notImplemented, "The only transfer coding served is chunked.")
        case .unsupportedVersion: Problem(.versionNotSupported, "This server speaks HTTP/1.1 and HTTP/1.0.")
        case .unknownExpectation: Problem(.expectationFailed, "The only expectation served is 100-continue.")
        }
    }
}
