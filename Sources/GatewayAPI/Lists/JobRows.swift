import Engine
import Jobs
import Wire

/// A list that is written job by job: as lines of JSON, or as CSV.
struct JobRows {
    let contentType: String
    let head: [UInt8]?
    private let list: JobListRequest
    private let gateway: Gateway
    private let columns: [JobColumn]

    init(_ list: JobListRequest, _ gateway: Gateway) {
        self.list = list
        self.gateway = gateway
        let isCSV = list.form == .csv
        columns = isCSV ? list.columns(JobColumn.all) : []
        contentType = isCSV ? MediaTypes.utf8CSV : MediaTypes.lines
        head = isCSV ? CSV.row(columns.map(\.name)) : nil
    }

    func append(_ job: Job, files: [SpoolFile]?, to piece: inout [UInt8]) {
        if list.form == .csv {
            let job = gateway.desk.shown(job)
            piece += CSV.row(columns.map { $0.value(job) })
        } else {
            piece += list.document(job, files: files, gateway)
            piece.append(0x0A)
        }
    }
}

/// What of a job fits into a cell.
struct JobColumn: Sendable {
    let name: String
    let value: @Sendable (Job) -> String

    static let all: [JobColumn] = [
        .init(name: "id") { $0.id.description },
        .init(name: "name") { $0.name?.description ?? "" },
        .init(name: "host") { $0.host.description },
        .init(name: "owner") { $0.owner.description },
        .init(name: "state") { $0.state.rawValue },
        .init(name: "outcome") { $0.outcome?.text ?? "" },
        .init(name: "return_code") { $0.outcome?.returnCode.map(String.init) ?? "" },
        .init(name: "host_job") { $0.hostJob?.description ?? "" },
        .init(name: "priority") { String($0.priority) },
        .init(name: "correlator") { $0.correlator ?? "" },
        .init(name: "labels") { $0.labels.map { "\($0.key)=\($0.value)" }.joined(separator: " ") },
        .init(name: "created_at") { $0.createdAt.rfc3339 },
        .init(name: "submitted_at") { $0.submittedAt?.rfc3339 ?? "" },
        .init(name: "started_at") { $0.startedAt?.rfc3339 ?? "" },
        .init(name: "ended_at") { $0.endedAt?.rfc3339 ?? "" },
        .init(name: "output_count") { String($0.outputs) },
        .init(name: "version") { String($0.version) },
        .init(name: "reason") { $0.reason ?? "" },
    ]

    /// For people, on one line.
    static let usual = all.filter {
        ["id", "name", "host", "state", "outcome", "priority", "created_at", "labels"].contains($0.name)
    }
}

/// RFC 4180. A cell that a spreadsheet would take for a formula gets an apostrophe in front.
enum CSV {
    static func row(_ cells: [String]) -> [UInt8] {
        var row: [UInt8] = []
        for (index, cell) in cells.enumerated() {
            if index > 0 { row.append(0x2C) }
            let octets = Array(cell.utf8)
            let isFormula = octets.first.map { [0x3D, 0x2B, 0x2D, 0x40, 0x09, 0x0D].contains($0) } ?? false
            let guarded = isFormula ? [0x27] + octets : octets
            if guarded.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) {
                row.append(0x22)
                for octet in guarded { row += octet == 0x22 ? [0x22, 0x22] : [octet] }
                row.append(0x22)
            } else {
                row += guarded
            }
        }
        return row + [0x0D, 0x0A]
    }
}

/// Columns under their names, two spaces between.
struct JobTable {
    let bytes: [UInt8]

    init(_ jobs: [Job], columns: [JobColumn]) {
        var rows = [columns.map { $0.name.uppercased() }]
        for job in jobs { rows.append(columns.map { oneLine($0.value(job)) }) }
        let widths = columns.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        var bytes: [UInt8] = []
        for row in rows {
            var line = ""
            for (cell, width) in zip(row, widths) {
                line += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            while line.hasSuffix(" ") { line.removeLast() }
            bytes += line.utf8
            bytes.append(0x0A)
        }
        self.bytes = bytes
    }
}

/// Members of an object that this program has written itself: no blanks, nothing that is not JSON.
enum JSONMembers {
    /// Those members, in the order in which the object has them.
    static func selecting(_ names: [String], from object: [UInt8]) -> [UInt8] {
        var chosen: [UInt8] = [0x7B]
        var depth = 0, isQuoted = false, isEscaped = false
        var start = 1
        for (index, octet) in object.enumerated() {
            if isQuoted {
                if isEscaped {
                    isEscaped = false
                } else if octet == 0x5C {
                    isEscaped = true
                } else if octet == 0x22 {
                    isQuoted = false
                }
                continue
            }
            switch octet {
            case 0x22: isQuoted = true
            case 0x7B, 0x5B: depth += 1
            case 0x7D, 0x5D, 0x2C:
                if depth == 1, octet != 0x5D {
                    let member = object[start..<index]
                    if let end = member.dropFirst().firstIndex(of: 0x22),
                        names.contains(String(decoding: member[(member.startIndex + 1)..<end], as: UTF8.self))
                    {
                        if chosen.count > 1 { chosen.append(0x2C) }
                        chosen += member
                    }
                    start = index + 1
                }
                if octet != 0x2C { depth -= 1 }
            default: break
            }
        }
        return chosen + [0x7D]
    }
}
