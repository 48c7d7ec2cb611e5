import Dispatch
import Foundation
import Glibc

/// A program run to its end, or a server that is ended by its process ID.
///
/// By posix_spawn: Foundation's `Process` reads past its memory now and then when many tests use it at once (seen as
/// signal 11 inside `Process.run`).
package final class Child: Sendable {
    package struct Result: Sendable {
        /// The exit code, or minus the signal's number.
        package let code: Int32
        package let output: [UInt8]
        package let errors: [UInt8]
        package var outputText: String { String(decoding: output, as: UTF8.self) }
        package var errorText: String { String(decoding: errors, as: UTF8.self) }
    }

    package struct NotStarted: Error {
        package let program: String
        package let number: CInt
    }

    private let process: pid_t
    private let input: CInt
    private let output: CInt
    private let errors: CInt

    /// - Parameters:
    ///   - program: found on the PATH unless it has a slash.
    ///   - environment: added to ours.
    package init(_ program: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        signal(SIGPIPE, SIG_IGN)
        var pipes = [CInt](repeating: -1, count: 6)
        for at in stride(from: 0, to: 6, by: 2) {
            var ends: [CInt] = [-1, -1]
            guard pipe(&ends) == 0 else { throw NotStarted(program: program, number: errno) }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            pipes.replaceSubrange(at..<at + 2, with: ends)
        }
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_adddup2(&files, pipes[0], 0)
        posix_spawn_file_actions_adddup2(&files, pipes[3], 1)
        posix_spawn_file_actions_adddup2(&files, pipes[5], 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A test's ignored signals are not the child's.
        var all = sigset_t()
        sigfillset(&all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = []
        var at = environ
        while let entry = at.pointee {
            let text = String(cString: entry)
            if !environment.keys.contains(where: { text.hasPrefix($0 + "=") }) { variables.append(strdup(text)) }
            at += 1
        }
        variables += environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for word in words + variables { free(word) } }
        var process = pid_t()
        let failure = posix_spawnp(&process, program, &files, &attributes, &words, &variables)
        for end in [pipes[0], pipes[3], pipes[5]] { close(end) }
        (self.process, input, output, errors) = (process, pipes[1], pipes[2], pipes[4])
        guard failure == 0 else { throw NotStarted(program: program, number: failure) }
    }

    /// Runs a program to its end.
    package static func run(
        _ program: String, _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]
    ) async throws -> Result {
        let child = try Child(program, arguments, environment: environment)
        return await withCheckedContinuation { continuation in
            // Threads of their own: blocked threads of the shared pool would starve the tests.
            Thread.detachNewThread {
                let reading = DispatchGroup()
                let errors = Pouch()
                reading.enter()
                Thread.detachNewThread {
                    errors.octets = Child.readAll(child.errors)
                    reading.leave()
                }
                reading.enter()
                Thread.detachNewThread {
                    Child.write(input, to: child.input)
                    reading.leave()
                }
                let output = Child.readAll(child.output)
                reading.wait()
                let code = child.wait()
                continuation.resume(returning: Result(code: code, output: output, errors: errors.octets))
            }
        }
    }

    /// The next line of standard output, without its end; nil when there is none.
    package func readLine() -> String? {
        var line: [UInt8] = []
        var octet: UInt8 = 0
        while read(output, &octet, 1) == 1 {
            if octet == 0x0A { return String(decoding: line, as: UTF8.self) }
            line.append(octet)
        }
        return nil
    }

    /// SIGTERM, then waits.
    package func stop() -> Int32 {
        close(input)
        kill(process, SIGTERM)
        // What it still prints must not stop it.
        Thread.detachNewThread { [errors] in _ = Child.readAll(errors) }
        _ = Child.readAll(output)
        return wait()
    }

    private func wait() -> Int32 {
        var status: CInt = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
    }

    /// Handed from one queue to another by a group.
    private final class Pouch: @unchecked Sendable {
        var octets: [UInt8] = []
    }

    private static func readAll(_ descriptor: CInt) -> [UInt8] {
        var octets: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &piece, piece.count)
            if count > 0 {
                octets += piece[0..<count]
            } else if count == 0 || errno != EINTR {
                close(descriptor)
                return octets
            }
        }
    }

    private static func write(_ octets: [UInt8], to descriptor: CInt) {
        var rest = octets[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            rest = rest.dropFirst(count)
        }
        close(descriptor)
    }
}
