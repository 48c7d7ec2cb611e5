package import Lines

/// Two running loops that all tests of a process share. A test that stops a loop makes its own.
package enum TestLoops {
    package static let group: EventLoopGroup = {
        guard let group = try? EventLoopGroup(count: 2, name: "test") else {
            preconditionFailure("no event loops for the tests: is the machine out of descriptors?")
        }
        group.start()
        return group
    }()

    package static var all: [EventLoop] { group.loops }
    package static var one: EventLoop { group.next() }
    /// A free port on IPv4 loopback.
    package static let loopback = SocketAddress(.loopback, port: 0)
}
