import Protocols
import TestKit
import Testing

/// The claims of the fuzz targets on the dialogues, on what they found, and on changed dialogues.
struct RFC407ClaimTests {
    private static func seeds(_ folder: String, _ octets: (Transcript) -> [UInt8]) throws -> [[UInt8]] {
        let beside = #filePath.replacing("/RFC407/", with: "/")
        return try corpus(beside: beside, folder).map(\.octets)
            + RFC407TranscriptTests.all.flatMap { [[0] + octets($0), [1] + octets($0)] }
    }

    private func changed(_ seed: [UInt8], _ random: inout SeededNumbers) -> [UInt8] {
        var octets = seed
        for _ in 0..<(1 + random.next(4)) where !octets.isEmpty {
            let at = random.next(octets.count)
            let end = min(octets.count, at + random.next(40))
            switch random.next(4) {
            case 0: octets[at] = UInt8(random.next(256))
            case 1: octets.insert(contentsOf: octets[at..<end], at: at)
            case 2: octets.removeSubrange(at..<end)
            default: octets.insert([0x0A, 0x0D, 0x20, 0xFF, 0x3D, 0x2F, 0x32, 0x36][random.next(8)], at: at)
            }
        }
        return octets
    }

    @Test func `any octets are answers or our error to the station, however they come`() throws {
        let seeds = try Self.seeds("rfc407-station", \.received)
        for seed in seeds { #expect(RFC407StationClaim.violation(seed) == nil) }
        var random = SeededNumbers(seed: 407)
        for round in 0..<500 {
            let octets = changed(seeds[round % seeds.count], &random)
            #expect(RFC407StationClaim.violation(octets) == nil, "\(octets)")
        }
    }

    @Test func `any octets are commands or its error to the host, however they come`() throws {
        let seeds = try Self.seeds("rfc407-host", \.sent)
        for seed in seeds { #expect(RFC407HostClaim.violation(seed) == nil) }
        var random = SeededNumbers(seed: 408)
        for round in 0..<500 {
            let octets = changed(seeds[round % seeds.count], &random)
            #expect(RFC407HostClaim.violation(octets) == nil, "\(octets)")
        }
    }
}
