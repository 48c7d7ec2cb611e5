import Foundation
import Wire
import Yams

/// The files that come with the executable: the web page, the manual, the API's description.
struct Resources {
    /// Folders with `public/index.html`, `docs/cli.md` or `openapi/port77.yaml`: given ones, else beside the executable or above it (a source tree),
    /// else where a package puts them.
    static func folder(_ name: String, holding file: String, given: String?) -> String? {
        if let given { return given }
        var candidates: [String] = []
        var folder = URL(fileURLWithPath: CommandLine.arguments.first ?? ".").resolvingSymlinksInPath()
        if let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") {
            folder = URL(fileURLWithPath: link)
        }
        for _ in 0..<6 {
            folder.deleteLastPathComponent()
            candidates.append(folder.appending(path: name).path())
            candidates.append(folder.appending(path: "share/port77/\(name)").path())
        }
        candidates.append("/usr/share/port77/\(name)")
        return candidates.first { FileManager.default.fileExists(atPath: "\($0)/\(file)") }
    }

    /// The YAML document as JSON; scalars keep the types that YAML's core schema gives them.
    static func json(fromYAML text: String) throws -> [UInt8] {
        var json = JSONWriter(capacity: text.utf8.count * 2)
        if let root = try Yams.compose(yaml: text) { write(root, to: &json) } else { json.null() }
        return json.bytes
    }

    private static func write(_ node: Node, to json: inout JSONWriter) {
        switch node {
        case .mapping(let mapping):
            json.beginObject()
            for (key, value) in mapping {
                json.key(key.scalar?.string ?? "")
                write(value, to: &json)
            }
            json.endObject()
        case .sequence(let sequence):
            json.beginArray()
            for item in sequence { write(item, to: &json) }
            json.endArray()
        case .scalar(let scalar):
            switch node.tag.description {
            case Tag.Name.int.rawValue:
                if let value = node.int { json.int(value) } else { json.string(scalar.string) }
            case Tag.Name.float.rawValue:
                if let value = node.float { json.double(value) } else { json.string(scalar.string) }
            case Tag.Name.bool.rawValue:
                if let value = node.bool { json.bool(value) } else { json.string(scalar.string) }
            case Tag.Name.null.rawValue: json.null()
            default: json.string(scalar.string)
            }
        case .alias: json.null()
        }
    }
}
