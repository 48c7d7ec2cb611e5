import ArgumentParser
import Foundation
import GatewayAPI
import Jobs
import Stores
import Wire

struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, list, revoke and rotate the keys that callers have.",
        discussion: """
            Example:  port77 keys create --name ci --owner ci --scope jobs:submit --scope jobs:read --scope outputs:read
                      port77 keys list
                      port77 keys revoke Yd7aQ0bX

            Works on the data folder, also while `port77 serve` runs on it, which then knows within a second. With --gateway it
            asks a gateway instead, by a key with the scope admin (--key, $PORT77_KEY).
            """,
        subcommands: [Create.self, List.self, Show.self, Revoke.self, Rotate.self], defaultSubcommand: List.self)

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key and print it, this once.",
            discussion: "Scopes: \(Scope.allCases.map(\.rawValue).joined(separator: ", ")).")

        @Option(help: "What it is for, for people.")
        var name: String

        @Option(help: "Whose jobs its holder sees and makes.")
        var owner = Owner.local.description

        @Option(name: .customLong("scope"), help: "What it may do; may stand several times.")
        var scopes: [String]

        @Option(name: .customLong("host"), help: "Only this host; may stand several times.")
        var hosts: [String] = []

        @Option(name: .customLong("label"), help: "KEY=VALUE that its jobs get and must have; may stand several times.")
        var labels: [String] = []

        @Option(name: .customLong("network"), help: "Only from there, as 10.0.0.0/8; may stand several times.")
        var networks: [String] = []

        @Option(help: "When it ends: 12h, 30d, or a time.")
        var expires: String?

        @Option(help: "Stands in the key's text, 1 to 12 of a-z 0-9.")
        var environment = "live"

        @Flag(help: "Its decks may have cards that the host's reader obeys.")
        var allowControlCards = false

        @OptionGroup var place: KeyPlace

        func run() async throws {
            var members: [(String, [String])] = [("name", [name]), ("owner", [owner]), ("scopes", scopes)]
            if !hosts.isEmpty { members.append(("hosts", hosts)) }
            if !labels.isEmpty { members.append(("labels", labels)) }
            if !networks.isEmpty { members.append(("networks", networks)) }
            if let expires { members.append(("expires", [expires])) }
            members.append(("environment", [environment]))
            if place.isRemote {
                try place.printMade(try place.client.ask("POST", "/v1/keys", body: body(members)).body)
                return
            }
            var wish = KeyWish()
            for (name, words) in members {
                if let fault = wish.take(name, words, now: WallClock.system.now()) {
                    throw ValidationError("\(Self.option[name] ?? "--\(name)"): \(fault)")
                }
            }
            wish.allowsControlCards = allowControlCards
            let made = try await place.office { try await $0.create(wish, by: .console) }
            if let made { try place.printMade(KeyDocument.bytes(made.key, secret: made.text, at: made.key.createdAt)) }
        }

        private static let option = [
            "scopes": "--scope", "hosts": "--host", "labels": "--label", "networks": "--network",
        ]

        private func body(_ members: [(String, [String])]) -> [UInt8] {
            var json = JSONWriter()
            json.beginObject()
            for (name, words) in members {
                json.key(name)
                guard ["scopes", "hosts", "labels", "networks"].contains(name) else {
                    json.string(words.joined())
                    continue
                }
                json.beginArray()
                for word in words { json.string(word) }
                json.endArray()
            }
            json.key("allow_control_cards")
            json.bool(allowControlCards)
            json.endObject()
            return json.bytes
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the keys, newest first; never their secrets.")

        @OptionGroup var place: KeyPlace

        func run() async throws {
            let list: [UInt8]
            if place.isRemote {
                list = try place.client.ask("GET", "/v1/keys").body
            } else {
                list = KeyDocument.bytes(try await place.office { try await $0.keys() }, at: WallClock.system.now())
            }
            if place.client.json { return printOctets(list + [0x0A]) }
            let documents = try JSONValue(parsing: list)["items"]?.elements ?? []
            print(
                "\(padded("ID", 10))\(padded("STATE", 9))\(padded("OWNER", 12))\(padded("EXPIRES", 26))\(padded("LAST USED", 26))NAME: SCOPES"
            )
            for document in documents {
                let texts = [("id", 10), ("state", 9), ("owner", 12), ("expires_at", 26), ("last_used_at", 26)]
                let scopes = (document["scopes"]?.elements ?? []).compactMap(\.string).joined(separator: " ")
                print(
                    texts.map { padded(document[$0.0]?.string ?? "-", $0.1) }.joined()
                        + "\(document["name"]?.string ?? ""): \(scopes)")
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one key; never its secret.", discussion: "Example:  port77 keys show Yd7aQ0bX")

        @Argument(help: "The key's ID.")
        var id: String

        @OptionGroup var place: KeyPlace

        func run() async throws {
            if place.isRemote {
                return place.client.show(try place.client.ask("GET", "/v1/keys/\(percentEncoded(id))"))
            }
            let key = try await place.office { try await place.find(id, $0) }
            place.client.show(
                GatewayClient.Answer(status: 200, body: KeyDocument.bytes(key, at: WallClock.system.now())))
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a key worthless, within a second.")

        @Argument(help: "Its ID: the 8 characters after rje_live_.")
        var id: String

        @OptionGroup var place: KeyPlace

        func run() async throws {
            if place.isRemote {
                _ = try place.client.ask("DELETE", "/v1/keys/\(percentEncoded(id))")
            } else {
                try await place.office { office in
                    _ = try await office.revoke(try await place.find(id, office), by: .console)
                }
            }
            if !place.client.json { print("revoked \(id)") }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key with the same rights and print it; the old one is good for a while still.")

        @Argument(help: "The ID of the old one.")
        var id: String

        @Option(help: "Seconds for which the old one stays good.")
        var overlap = Int(KeyOffice.usualOverlap.components.seconds)

        @OptionGroup var place: KeyPlace

        func validate() throws {
            guard (0...KeyOffice.longestOverlapSeconds).contains(overlap) else {
                throw ValidationError("--overlap: it must be 0 to \(KeyOffice.longestOverlapSeconds).")
            }
        }

        func run() async throws {
            if place.isRemote {
                let body = Array("{\"overlap\":\(overlap)}".utf8)
                try place.printMade(
                    try place.client.ask("POST", "/v1/keys/\(percentEncoded(id))/rotate", body: body).body)
                return
            }
            let made = try await place.office { office in
                try await office.rotate(try await place.find(id, office), overlap: .seconds(overlap), by: .console)
            }
            guard let made else {
                complain("the key \(id) is revoked or expired: make a new one")
                throw ExitCode(1)
            }
            try place.printMade(KeyDocument.bytes(made.key, secret: made.text, at: made.key.createdAt))
        }
    }
}

/// Where the keys are: in a data folder, or behind a gateway.
struct KeyPlace: ParsableArguments {
    @Option(help: "The YAML configuration file, for the data folder.", completion: .file())
    var config: String?

    @Option(help: "The data folder.", completion: .directory)
    var data: String?

    @OptionGroup var client: ClientOptions

    var isRemote: Bool { client.gateway != nil || client.unixSocket != nil }

    /// - Throws: an `ExitCode`, having said why.
    func office<Result>(_ body: (KeyOffice) async throws -> Result) async throws -> Result {
        let environment = ProcessInfo.processInfo.environment
        var settings = try loadConfiguration(config)
        try settings.apply(environment: environment)
        let folder = data ?? settings.data
        do {
            let secret = try InstanceSecret(folder: folder)
            let file = try await KeyFile(folder: folder)
            defer { file.close() }
            return try await body(KeyOffice(store: file, pepper: KeyPepper(secret: secret.octets)))
        } catch let error as StoreOpeningError {
            complain("\(error)")
        } catch let error as StoreError {
            complain("\(error)")
        } catch let fault as ConfigurationFault {
            complain(fault.words)
        }
        throw ExitCode(1)
    }

    func find(_ id: String, _ office: KeyOffice) async throws -> StoredKey {
        guard let key = try await office.key(id) else {
            complain("there is no key \(id)")
            throw ExitCode(1)
        }
        return key
    }

    /// The key alone on standard output, for a script to take; what goes with it on standard error.
    func printMade(_ document: [UInt8]) throws {
        guard !client.json else { return printOctets(document + [0x0A]) }
        let key = try? JSONValue(parsing: document)
        let id = key?["id"]?.string ?? "-"
        writeAll(Array("the key \(id); it is shown this once:\n".utf8), to: STDERR_FILENO)
        print(key?["key"]?.string ?? "")
    }
}
