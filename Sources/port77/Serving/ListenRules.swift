import Glibc
import HTTPCore
import Lines

/// Sockets that the service manager has opened for us (`sd_listen_fds(3)`).
struct PassedSockets: Equatable, Sendable {
    struct Socket: Equatable, Sendable {
        let name: String
        let descriptor: CInt
    }

    let sockets: [Socket]

    /// - Parameter process: who must be meant: the variables may have been inherited from a parent.
    init(environment: [String: String], process: pid_t = getpid()) {
        guard environment["LISTEN_PID"].flatMap({ pid_t($0) }) == process,
            let count = environment["LISTEN_FDS"].flatMap({ Int($0) }), (1...256).contains(count)
        else {
            sockets = []
            return
        }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
        sockets = (0..<count).map { index in
            Socket(name: index < names.count ? String(names[index]) : "unknown", descriptor: CInt(3 + index))
        }
    }
}

/// Where a configuration listens, and whether it may.
enum ListenRules {
    struct Spot: Sendable {
        var place: ListenPlace
        var mode: UInt16?
        var isClear: Bool
    }

    /// - Returns: where it listens then, in the same order.
    static func open(_ spots: [Spot], on server: Server) throws -> [ListenPlace] {
        var places: [ListenPlace] = []
        for spot in spots {
            do throws(LineError) {
                places.append(try server.listen(at: spot.place, mode: spot.mode, isClear: spot.isClear))
            } catch {
                guard case .addressInUse = error else { throw error }
                let words = "\(spot.place) is in use by another process; end that one, or choose another (--listen)"
                throw ConfigurationFault(line: 0, column: 0, words: words)
            }
        }
        return places
    }

    /// What the service manager has opened stands in place of `listen:`, unless that says itself which of it to use.
    static func spots(_ listens: [Configuration.Listen], _ passed: PassedSockets) throws(ConfigurationFault) -> [Spot] {
        let namesPassed = listens.contains { listen in
            switch listen.spot {
            case .passed, .place(.inherited): true
            case .place: false
            }
        }
        if !passed.sockets.isEmpty, !namesPassed {
            return passed.sockets.map { Spot(place: .inherited(descriptor: $0.descriptor), isClear: false) }
        }
        var spots: [Spot] = []
        for listen in listens {
            switch listen.spot {
            case .place(let place): spots.append(Spot(place: place, mode: listen.mode, isClear: listen.isClear))
            case .passed(let name):
                let meant = passed.sockets.filter { name == nil || $0.name == name }
                guard !meant.isEmpty else {
                    throw ConfigurationFault(
                        line: 0, column: 0,
                        words:
                            "listen: systemd has passed no socket\(name.map { " named \($0)" } ?? "") (LISTEN_FDS, LISTEN_PID)"
                    )
                }
                spots += meant.map { Spot(place: .inherited(descriptor: $0.descriptor), isClear: listen.isClear) }
            }
        }
        return spots
    }

    /// Beyond this machine only those are heard who can say who they are.
    ///
    /// - Parameter hasKeys: API keys exist, or other credentials are configured.
    static func check(
        _ places: [ListenPlace], _ tls: Configuration.ServerTLS?, hasKeys: Bool
    ) throws(ConfigurationFault) {
        guard let open = places.first(where: { !$0.isLocal }), !hasKeys else { return }
        if case .required? = tls?.files.clients { return }
        throw ConfigurationFault(
            line: 0, column: 0,
            words:
                "listen: \(open) is beyond this machine, and nothing says who may come: make a key first (port77 keys create), "
                + "set tls: with client_certificates: required, or listen on 127.0.0.1 behind a reverse proxy that checks who calls"
        )
    }
}
