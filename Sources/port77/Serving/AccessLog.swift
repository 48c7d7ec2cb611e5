import GatewayAPI
import HTTPCore
import Jobs
import Lines
import Logging
import Stores
import Wire

/// One line for each answered request: never its query, its fields or its body.
struct AccessLog: Sendable {
    let level: Logger.Level
    let log: Logger

    /// nil: none are written.
    init?(_ settings: Configuration.Log, _ log: Logger) {
        guard let level = settings.access.level else { return nil }
        self.level = level
        self.log = log
    }

    func write(_ request: AnsweredRequest) {
        // The level may have changed by a reload.
        guard log.logLevel <= level else { return }
        var fields: Logger.Metadata = [
            "request_id": "\(request.requestID)", "status": "\(request.status)",
            "method": "\(request.head?.methodName ?? "-")", "path": "\(Blanking.blanked(request.path))",
            "route": "\(request.route ?? "-")", "seconds": "\(request.duration.inSeconds)",
            "received": "\(request.receivedBodyBytes)", "sent": "\(request.sentBodyBytes)",
        ]
        if let peer = request.peer { fields["client"] = "\(peer.ip)" }
        if let trace = request.trace { fields["trace_id"] = "\(trace.traceID)" }
        if !request.isComplete { fields["complete"] = "false" }
        log.log(level: level, "request", metadata: fields)
    }
}

extension RunningGateway {
    /// A line for each state that a job enters.
    static func log(_ changes: [Committed], _ log: Logger) {
        guard log.logLevel <= .debug else { return }
        for change in changes {
            guard let job = change.job, change.event != nil else { continue }
            log.debug("a job has entered a state", metadata: job.logFields)
        }
    }
}

extension Job {
    /// What log lines about a job carry.
    var logFields: Logger.Metadata {
        var fields: Logger.Metadata = ["job": "\(id)", "host": "\(host)", "state": "\(state.rawValue)"]
        if let origin {
            fields["request_id"] = "\(origin.requestID)"
            fields["trace_id"] = "\(origin.trace.traceID)"
        }
        if let hostJob { fields["host_job"] = "\(hostJob)" }
        if let text = outcome?.text { fields["outcome"] = "\(text)" }
        return fields
    }
}
