import Foundation
import Glibc

/// A file of at most 1 MiB; nil when it cannot be read or is larger.
func readSmallFile(_ path: String) -> [UInt8]? {
    guard let data = FileManager.default.contents(atPath: path), data.count <= 1 << 20 else { return nil }
    return Array(data)
}

/// Why there was nothing to be read, for people.
func whyUnreadable(_ path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return String(cString: strerror(errno)) }
    defer { close(descriptor) }
    var facts = stat()
    return fstat(descriptor, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR ? "it is a folder" : "it is over 1 MiB"
}
