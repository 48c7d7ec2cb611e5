/// What a client may ask of the server before it is refused; the defaults are those of the conventions' limits table.
///
/// Tests use small ones: no time and no size is written anywhere else.
package struct Limits: Sendable, Equatable {
    /// Octets of the request line, its CRLF not counted. Beyond: 414.
    package var requestLineBytes = 8 * 1024
    /// Octets of request line and fields together, all line ends counted. Beyond: 431.
    package var headBytes = 32 * 1024
    /// Octets of one field line, its CRLF not counted. Beyond: 431.
    package var fieldBytes = 16 * 1024
    /// Fields of one head. Beyond: 431.
    package var fields = 100
    /// Octets of a request body, framing not counted, unless the route sets its own. Beyond: 413.
    package var bodyBytes = 16 * 1024 * 1024
    /// Octets of a body nobody asked for that are read and dropped to keep the connection. Beyond: 413, or close.
    package var discardedBodyBytes = 64 * 1024
    /// Octets of one chunk extension. Beyond: 400.
    package var chunkExtensionBytes = 256
    /// Octets of all chunk extensions of one message. Beyond: 400.
    package var chunkExtensionsBytes = 1024
    /// Octets of the trailer section. Beyond: 431.
    package var trailerBytes = 4 * 1024

    /// From the first octet of a request to the end of its fields. Beyond: 408.
    package var headTime = Duration.seconds(10)
    /// What a body may take beyond `slowestBodyRate`. Beyond: 408.
    package var bodyTime = Duration.seconds(10)
    /// Octets a second a body must bring on the average after `bodyTime`.
    package var slowestBodyRate = 4 * 1024
    /// What a body may take at any rate; time in which the server did not read is not counted.
    package var longestBodyTime = Duration.seconds(600)
    /// Between an answer and the next request.
    package var keepAliveTime = Duration.seconds(60)
    /// What a connection that came as the server stopped gets for its request.
    package var lateRequestTime = Duration.seconds(1)
    /// Requests answered on one connection; the last says `Connection: close`.
    package var requestsPerConnection = 10_000
    /// Requests read ahead while one is being answered; beyond, and beyond `pipelinedBytes`, reading pauses.
    package var pipelinedRequests = 16
    package var pipelinedBytes = 64 * 1024
    /// Without progress on an answer the client does not take. Beyond: reset.
    package var writeStallTime = Duration.seconds(30)
    /// Octets of answers waiting for one client; a writer waits above it. With the piece that went beyond, one of which a part
    /// is sent, and two that were read ahead, a client that does not read costs 256 KiB: pieces have at most 64 KiB.
    package var unsentBytes = 16 * 1024
    /// Octets of a request body waiting for its handler; reading pauses above it.
    package var unreadBodyBytes = 64 * 1024
    /// After an early refusal: how much and how long the rest of a request is still read, so that the answer is seen.
    package var lingerBytes = 64 * 1024
    package var lingerTime = Duration.seconds(1)
    /// Connections of the whole server, and of one client address.
    package var connections = 10_000
    package var connectionsPerAddress = 256

    package init() {}
}
