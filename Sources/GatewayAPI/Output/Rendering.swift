import HTTPCore
import Wire

/// How stored print-out is shown.
enum Rendering: String, CaseIterable {
    /// Carriage control and overprinting applied, UTF-8.
    case text
    /// As the host sent it.
    case raw
    /// A page of green-bar paper for browsers.
    case html
    case pdf
    /// Record by record, one document.
    case records
    /// Record by record, one a line.
    case ndjson
    /// Everything of a job.
    case zip
    /// Each output as a part of its own.
    case mixed

    var mediaType: String {
        switch self {
        case .text: MediaTypes.text
        case .raw: MediaTypes.octets
        case .html: MediaTypes.html
        case .pdf: MediaTypes.pdf
        case .records: MediaTypes.records
        case .ndjson: MediaTypes.lines
        case .zip: MediaTypes.zip
        case .mixed: MediaTypes.mixed
        }
    }

    var contentType: String {
        switch self {
        case .text: MediaTypes.utf8Text
        case .html: MediaTypes.utf8HTML
        default: mediaType
        }
    }

    /// In an entity tag: with a number that changes when the same octets are rendered in another way.
    var tag: String {
        switch self {
        case .text: "text2"
        case .raw: "raw"
        default: rawValue + "1"
        }
    }

    /// PDF and ZIP are packed already.
    var gainsByPacking: Bool { self != .pdf && self != .zip }

    init(
        _ request: Request, _ query: QueryReader, among offered: [Rendering] = allCases
    ) throws(Problem) {
        if let chosen: Rendering = try query.choice("format") {
            guard offered.contains(chosen) else {
                throw QueryReader.fault(
                    "format", "here it must be one of \(offered.map(\.rawValue).joined(separator: ", ")).")
            }
            self = chosen
            return
        }
        let type = try request.negotiate(offered.map(\.mediaType))
        self = offered.first { $0.mediaType == type } ?? .text
    }
}

extension QueryReader {
    /// `?follow`, `?regex=1`; `0` and `false` are as if it were not there.
    func flag(_ name: String) throws(Problem) -> Bool {
        switch self[name] {
        case nil, "0", "false": return false
        case "", "1", "true": return true
        default: throw Self.fault(name, "it is given without a value, or as 1 or 0.")
        }
    }
}

/// Where a body goes: to the client as it is, or packed.
struct Outlet: Sendable {
    private let writer: HTTPCore.BodyWriter
    private let deflater: Deflater?

    init(_ writer: HTTPCore.BodyWriter, packs: Bool = false) {
        self.writer = writer
        deflater = packs ? Deflater(.gzip) : nil
    }

    func write(_ octets: [UInt8]) async throws {
        guard let deflater else { return try await writer.write(octets) }
        var packed: [UInt8] = []
        try deflater.append(octets, to: &packed)
        try await writer.write(packed)
    }

    func finish() async throws {
        guard let deflater else { return }
        var packed: [UInt8] = []
        try deflater.finish(to: &packed)
        try await writer.write(packed)
    }
}

extension Request {
    /// Only who names it gets it.
    var takesGzip: Bool {
        QuotedList.split(self["accept-encoding"] ?? "", at: ",").contains { item in
            let parts = QuotedList.split(item, at: ";").map { QuotedList.trim($0).lowercased() }
            guard let name = parts.first, name == "gzip" || name == "x-gzip" else { return false }
            return !parts.dropFirst().contains { part in
                part.hasPrefix("q=") && part.dropFirst(2).allSatisfy { $0 == "0" || $0 == "." }
            }
        }
    }
}
