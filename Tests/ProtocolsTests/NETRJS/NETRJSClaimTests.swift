import Protocols
import TestKit
import Testing

/// The claims of the fuzz targets, on what they found and on a short run of changed dialogues and streams.
struct NETRJSClaimTests {
    private static func seeds(_ folder: String) throws -> [[UInt8]] {
        let beside = #filePath.replacing("/NETRJS/", with: "/")
        let session = try Transcript.all(beside: beside).filter { $0.name.hasPrefix("netrjs") }
        let stream = transaction(hex(NETRJSExampleTests.records), filler: 2) + [0xFE]
        let print = hex(
            "FF 00 0000 00000128 00 84 85 48 45 4C 4C 4F C3 86 2C 53 4D 49 54 48 00"
                + "84 81 31 C6 8C 48 45 4C 4C 4F 2C 20 57 4F 52 4C 44 C3 F4 2A 00 FE")
        var seeds: [[UInt8]] = try corpus(beside: beside, folder).map(\.octets)
        for dialogue in session {
            seeds += [[0] + dialogue.received, [4] + dialogue.received, [0] + dialogue.sent, [2] + dialogue.sent]
        }
        let punch = print.map { (octet: UInt8) -> UInt8 in octet == 0x84 ? 0x85 : octet }
        seeds += [[1] + stream, [1] + print, [2] + punch, [3] + print]
        return seeds
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
            default: octets.insert([0xFF, 0xFE, 0x00, 0x83, 0xC4, 0x03][random.next(6)], at: at)
            }
        }
        return octets
    }

    @Test func `any octets are lines, records or our error, however they come`() throws {
        for (folder, violation) in [
            ("netrjs-station", NETRJSClaim.stationViolation), ("netrjs-host", NETRJSClaim.hostViolation),
        ] {
            let seeds = try Self.seeds(folder)
            for seed in seeds { #expect(violation(seed) == nil, "\(folder) \(seed)") }
            var random = SeededNumbers(seed: 740)
            for round in 0..<400 {
                let octets = changed(seeds[round % seeds.count], &random)
                #expect(violation(octets) == nil, "\(folder) \(octets)")
            }
        }
    }
}
