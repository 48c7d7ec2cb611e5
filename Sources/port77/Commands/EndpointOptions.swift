import ArgumentParser
import Wire

/// What a receiver is told and how, for `add` and `change`.
struct EndpointOptions: ParsableArguments {
    @Option(help: "A type of event, job.completed, job.* or host.down. May be given again. (default: ends of jobs)")
    var event: [String] = []

    @Option(help: "Only jobs on this host, and this host. May be given again.")
    var onlyHost: [String] = []

    @Option(help: "KEY=VALUE: only jobs with this label. May be given again.")
    var onlyLabel: [String] = []

    @Option(help: "standard, cloudevents-binary, cloudevents-structured or cloudevents-batch.")
    var mode: String?

    @Flag(help: "Sign by the gateway's public key as well (v1a).")
    var v1a = false

    @Option(help: "none, handshake or challenge.")
    var verification: String?

    @Option(help: "'NAME: VALUE', sent along. May be given again.")
    var header: [String] = []

    @Option(help: "Seconds before each try, with commas between: 0,5,300.")
    var schedule: String?

    @Option(help: "Calls a minute at most.")
    var rate: Int?

    @Option(help: "Calls at a time at most, 1 to 32.")
    var concurrency: Int?

    @Option(help: "A note for yourself.")
    var description: String?

    @Option(help: "sha256//BASE64: the public key it must have. May be given again.")
    var pin: [String] = []

    @Option(help: "PEM file: the certificate shown to it, with its chain.", completion: .file())
    var tlsCertificate: String?

    @Option(help: "PEM file: the key of that certificate.", completion: .file())
    var tlsKey: String?

    func document(url: String?, isEnabled: Bool? = nil) throws -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        let texts = [("url", url), ("mode", mode), ("verification", verification), ("description", description)]
        for (name, text) in texts {
            guard let text else { continue }
            json.key(name)
            json.string(text)
        }
        for (name, number) in [("rate", rate), ("concurrency", concurrency)] {
            guard let number else { continue }
            json.key(name)
            json.int(number)
        }
        for (name, list) in [("events", event), ("signatures", v1a ? ["v1", "v1a"] : [])] where !list.isEmpty {
            json.key(name)
            json.beginArray()
            for text in list { json.string(text) }
            json.endArray()
        }
        if !onlyHost.isEmpty || !onlyLabel.isEmpty {
            json.key("filter")
            json.beginObject()
            if !onlyHost.isEmpty {
                json.key("hosts")
                json.beginArray()
                for host in onlyHost { json.string(host) }
                json.endArray()
            }
            if !onlyLabel.isEmpty {
                json.key("labels")
                try write(pairs: onlyLabel, separator: "=", "--only-label takes KEY=VALUE", to: &json)
            }
            json.endObject()
        }
        if !header.isEmpty {
            json.key("headers")
            try write(pairs: header, separator: ":", "--header takes 'NAME: VALUE'", to: &json)
        }
        if let schedule {
            json.key("schedule")
            json.beginArray()
            for entry in schedule.split(separator: ",") {
                guard let seconds = Int(entry) else { throw ValidationError("--schedule takes seconds: 0,5,300") }
                json.int(seconds)
            }
            json.endArray()
        }
        if !pin.isEmpty || tlsCertificate != nil || tlsKey != nil {
            json.key("tls")
            json.beginObject()
            if !pin.isEmpty {
                json.key("pins")
                json.beginArray()
                for text in pin { json.string(text) }
                json.endArray()
            }
            for (name, path) in [("client_certificate", tlsCertificate), ("client_key", tlsKey)] {
                guard let path else { continue }
                guard let octets = readSmallFile(path) else { throw ValidationError("\(path) cannot be read") }
                json.key("\(name)")
                json.string(String(decoding: octets, as: UTF8.self))
            }
            json.endObject()
        }
        if let isEnabled {
            json.key("enabled")
            json.bool(isEnabled)
        }
        json.endObject()
        return json.bytes
    }

    private func write(
        pairs: [String], separator: Character, _ rule: String, to json: inout JSONWriter
    ) throws {
        json.beginObject()
        for pair in pairs {
            guard let at = pair.firstIndex(of: separator) else { throw ValidationError(rule) }
            json.key(String(pair[..<at]))
            json.string(String(pair[pair.index(after: at)...].drop { $0 == " " }))
        }
        json.endObject()
    }
}
