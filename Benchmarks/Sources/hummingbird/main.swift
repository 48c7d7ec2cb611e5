import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

// hummingbird-peer FILE DATABASE: serves FILE's octets, a job document, to GET /v1/jobs/:id from memory, and stores what is
// sent to POST /v1/jobs before it answers 201. Prints "hummingbird ready on 127.0.0.1:PORT".
let arguments = CommandLine.arguments
let document = ByteBuffer(bytes: try Data(contentsOf: URL(fileURLWithPath: arguments[1])))
let documents = [arguments[3]: document]
let committer = try Committer(path: arguments[2])

let router = Router()
router.get("/v1/jobs/:id") { _, context -> Response in
    guard let id = context.parameters.get("id"), let document = documents[id] else { throw HTTPError(.notFound) }
    return Response(
        status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: document))
}
router.post("/v1/jobs") { request, _ -> Response in
    let deck = try await request.body.collect(upTo: 16 << 20)
    let now = Int64(Date().timeIntervalSince1970 * 1e6)
    let job = StoredJob(
        id: UUID().uuidString, name: "BENCH", deck: Data(deck.readableBytesView), createdAt: now)
    try await committer.store(job)
    let body = #"{"id":"\#(job.id)","name":"\#(job.name)","state":"held","created_at":\#(now)}"#
    return Response(
        status: .created, headers: [.contentType: "application/json", .location: "/v1/jobs/\(job.id)"],
        body: ResponseBody(byteBuffer: ByteBuffer(string: body)))
}
var logger = Logger(label: "hummingbird-peer")
logger.logLevel = .error
let app = Application(
    router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
    onServerRunning: { channel in
        print("hummingbird ready on 127.0.0.1:\(channel.localAddress?.port ?? 0)")
        fflush(nil)
    }, logger: logger)
try await app.runService()
