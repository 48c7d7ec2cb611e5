import Foundation
import Jobs
import Synchronization
import Testing
import Wire

/// Tokens and key sets that PyJWT made and the RFCs have: Corpus/make-vectors.py.
struct Vectors {
    struct Row: Sendable, CustomTestStringConvertible {
        let shows: String
        let token: String
        /// The name of the fault it must meet; empty: none.
        let fault: String
        var testDescription: String { shows }
    }

    struct Example: Sendable, CustomTestStringConvertible {
        let name: String
        let algorithm: String
        let keys: [UInt8]
        let signed: String
        let signature: String
        var testDescription: String { name }
    }

    let keys: [UInt8]
    let leftOut: Int
    let rows: [Row]
    let examples: [Example]

    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpus")
    static let all = Vectors()
    /// The moment at which the rows hold.
    static let now = Timestamp(microseconds: 1_800_000_000_000_000)

    private init() {
        let file = (try? Data(contentsOf: Self.folder.appending(path: "vectors.json"))) ?? Data()
        let value = (try? JSONValue(parsing: Array(file))) ?? .null
        keys = Self.octets(value["keys"])
        leftOut = Int(value["left_out"]?.int ?? -1)
        rows = (value["tokens"]?.elements ?? []).map {
            Row(shows: Self.text($0, "shows"), token: Self.text($0, "token"), fault: Self.text($0, "fault"))
        }
        examples = (value["rfc"]?.elements ?? []).map {
            Example(
                name: Self.text($0, "name"), algorithm: Self.text($0, "algorithm"), keys: Self.octets($0["keys"]),
                signed: Self.text($0, "signed"), signature: Self.text($0, "signature"))
        }
    }

    private static func text(_ value: JSONValue, _ name: String) -> String { value[name]?.string ?? "" }

    private static func octets(_ value: JSONValue?) -> [UInt8] {
        var json = JSONWriter()
        func write(_ value: JSONValue) {
            switch value {
            case .object(let members):
                json.beginObject()
                for member in members {
                    json.key(member.name)
                    write(member.value)
                }
                json.endObject()
            case .array(let elements):
                json.beginArray()
                for element in elements { write(element) }
                json.endArray()
            case .string(let text): json.string(text)
            case .bool(let value): json.bool(value)
            case .int(let value): json.int(value)
            case .double(let value): json.double(value)
            case .null: json.null()
            }
        }
        write(value ?? .null)
        return json.bytes
    }

    func token(_ shows: String) -> String { rows.first { $0.shows == shows }?.token ?? "" }
}

/// A wall clock that the test moves.
final class MovedClock: Sendable {
    private let moment = Mutex(Vectors.now)
    var clock: WallClock { WallClock { self.moment.withLock { $0 } } }
    var now: Timestamp { moment.withLock { $0 } }
    func move(by duration: Duration) { moment.withLock { $0 = $0.advanced(by: duration) } }
}
