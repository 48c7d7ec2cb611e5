import Protocols
import TestKit
import Testing

/// The claims of the fuzz targets, on what they found, on the dialogues, and on a short run of changed dialogues.
struct PrivRJEClaimTests {
    private static func seeds(_ folder: String, _ octets: (Transcript) -> [UInt8]) throws -> [[UInt8]] {
        let beside = #filePath.replacing("/PrivRJE/", with: "/")
        return try corpus(beside: beside, folder).map(\.octets)
            + Transcript.all(beside: beside).filter { $0.name.hasPrefix("priv-rje") }.map { [0] + octets($0) }
    }

    /// Changes a few octets, or repeats or drops a part.
    private func changed(_ seed: [UInt8], _ random: inout SeededNumbers) -> [UInt8] {
        var octets = seed
        for _ in 0..<(1 + random.next(4)) where !octets.isEmpty {
            let at = random.next(octets.count)
            let end = min(octets.count, at + random.next(40))
            switch random.next(4) {
            case 0: octets[at] = UInt8(random.next(256))
            case 1: octets.insert(contentsOf: octets[at..<end], at: at)
            case 2: octets.removeSubrange(at..<end)
            default: octets.insert([0x0A, 0x0D, 0x20, 0x2A, 0x22, 0x3D][random.next(6)], at: at)
            }
        }
        return octets
    }

    @Test func `any octets are answers or our error to the station, however they come`() throws {
        let seeds = try Self.seeds("privrje-station", \.received)
        for seed in seeds { #expect(StationClaim.violation(seed) == nil) }
        var random = SeededNumbers(seed: 77)
        for round in 0..<400 {
            let octets = changed(seeds[round % seeds.count], &random)
            #expect(StationClaim.violation(octets) == nil, "\(octets)")
        }
    }

    @Test func `any octets are commands or its error to the host, however they come`() throws {
        let seeds = try Self.seeds("privrje-host", \.sent)
        for seed in seeds { #expect(HostClaim.violation(seed) == nil) }
        var random = SeededNumbers(seed: 78)
        for round in 0..<400 {
            let octets = changed(seeds[round % seeds.count], &random)
            #expect(HostClaim.violation(octets) == nil, "\(octets)")
        }
    }
}

/// Numbers that are the same in every run.
struct SeededNumbers {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next(_ below: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % below
    }
}
