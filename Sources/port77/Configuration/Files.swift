import Foundation

/// A file of at most 1 MiB; nil when it cannot be read or is larger.
func readSmallFile(_ path: String) -> [UInt8]? {
    guard let data = FileManager.default.contents(atPath: path), data.count <= 1 << 20 else { return nil }
    return Array(data)
}
