import Engine
import Lines
import Protocols
import Stations
import Wire

/// Makes the stations of a configured host, whatever it speaks.
struct StationMaker {
    let host: Configuration.Host
    let password: String
    let loops: EventLoopGroup
    let outputs: PushedOutputs
    let environment: [String: String]

    func maker() throws -> @Sendable () -> any Station {
        switch host.speaks {
        case .privRJE: try privRJE()
        case .rfc407(let own): try rfc407(own)
        case .netrjs(let own): netrjs(own)
        }
    }

    private func tls() throws -> TLSClientSettings? {
        try host.tls.map { try TLSClientSettings(authorityFile: $0.authorities, expectedName: $0.name) }
    }

    private func privRJE() throws -> @Sendable () -> any Station {
        let password = password
        var settings = PrivRJESettings(host: host.address.host, port: host.address.port, user: host.user) { password }
        settings.answerTime = host.answerLimit
        settings.tls = try tls()
        let factory = PrivRJEStationFactory(settings, loops: loops)
        return { factory.makeStation() }
    }

    private func rfc407(_ own: Configuration.RFC407Host) throws -> @Sendable () -> any Station {
        let password = password.isEmpty ? nil : password
        var settings = RFC407Settings(host: host.address.host, port: host.address.port, user: host.user) { password }
        settings.answerTime = host.answerLimit
        settings.tls = try tls()
        settings.codePage = host.codePage
        settings.deckMode = own.deckMode ?? (own.ftp == nil ? settings.deckMode : .text)
        settings.printMode = own.printMode ?? (own.ftp == nil ? settings.printMode : .text)
        settings.dialect = own.dialect
        settings.printFile = own.printFile
        settings.punchFile = own.punchFile
        settings.dataPorts = own.dataPorts
        settings.dataAddress = own.dataAddress
        if let ftp = own.ftp {
            guard case .v4(let seenAs)? = ftp.seenAs ?? IPAddress(ftp.address.host) else {
                throw ConfigurationFault(
                    line: 0, column: 0, words: "host \(host.id): the FTP server needs an IPv4 address by seen_as")
            }
            let logOn = FTPLogOn(
                authority: ftp.address.description, user: ftp.user,
                password: try ftp.password.reveal(environment: environment))
            settings.files = FTPExchange(logOn, seenAs: seenAs, folder: ftp.folder)
        }
        let factory = RFC407StationFactory(settings, loops: loops)
        return { factory.makeStation() }
    }

    private func netrjs(_ own: Configuration.NETRJSHost) -> @Sendable () -> any Station {
        let password = password.isEmpty ? nil : password
        var settings = NETRJSSettings(
            host: host.address.host, port: host.address.port, characterSet: own.characterSet, terminal: host.user
        ) { password }
        switch own.ports {
        case .announced: settings.ports = .announced
        case .base(let base): settings.ports = .base(base)
        case .explicit(let reader, let printer, let punch):
            settings.ports = .explicit(reader: reader, printer: printer, punch: punch)
        }
        settings.form = own.sendsCompressed ? .compressed : .truncated
        settings.ebcdic = host.wireCodePage == .ascii ? .cp037 : host.wireCodePage
        settings.leadingBlank = own.punchHasLeadingBlank.map { $0 ? .yes : .no } ?? .auto
        settings.answerTime = host.answerLimit
        let factory = NETRJSStationFactory(settings, loops: loops, taker: outputs)
        return { factory.makeStation() }
    }
}
