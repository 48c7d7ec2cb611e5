import Lines
import Testing
import Webhooks

@Suite struct AddressGuardTests {
    /// Every row of api/webhooks.md, section 5.2: first, an inner and last address, and the neighbours where they are public.
    static let forbidden = [
        "0.0.0.0", "0.1.2.3", "0.255.255.255", "10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255",
        "192.168.0.0", "192.168.255.255", "100.64.0.0", "100.100.100.200", "100.127.255.255", "127.0.0.1",
        "127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255", "192.0.0.0", "192.0.0.192",
        "192.0.0.255", "192.0.2.0", "192.0.2.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255",
        "192.31.196.0", "192.31.196.255", "192.175.48.0", "192.175.48.255", "192.52.193.0", "192.52.193.255",
        "192.88.99.0", "192.88.99.255", "198.18.0.0", "198.19.255.255", "224.0.0.0", "239.255.255.255", "240.0.0.0",
        "255.255.255.254", "255.255.255.255", "168.63.129.16",
        "::", "::1", "::7f00:1", "::5db8:d822", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::", "64:ff9b::7f00:1", "64:ff9b::5db8:d822", "64:ff9b::ffff:ffff", "64:ff9b:1::1", "64:ff9b:1:ffff::1",
        "100::1", "100:0:0:1::1", "2001::1", "2001:0:5ef5:79fd::1", "2001:10::1", "2001:20::1", "2001:2::1",
        "2001:1ff:ffff::1", "2001:db8::1", "2001:db8:ffff::1", "3fff::1", "3fff:fff::1", "2002::1", "2002:7f00:1::1",
        "2002:5db8:d822::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "febf::1", "fec0::1",
        "feff::1",
        "ff00::1", "ff02::1", "ffff::1", "1fff::1", "4000::1",
    ]
    static let permitted = [
        "1.0.0.0", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
        "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "192.0.1.0",
        "192.0.3.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "192.31.195.255", "192.31.197.0",
        "192.175.47.255", "192.52.192.255", "192.88.98.255", "192.88.100.0", "198.17.255.255", "198.20.0.0",
        "223.255.255.255", "168.63.129.15", "168.63.129.17", "93.184.216.34", "::ffff:93.184.216.34",
        "2000::1", "2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1", "2606:2800:220:1::1", "3ffe::1",
        "3fff:1000::1",
    ]

    @Test(arguments: forbidden)
    func `an address inside is forbidden, as IPv4 and mapped`(_ text: String) throws {
        let address = try #require(IPAddress(text))
        let filter = AddressFilter()
        #expect(filter.isForbidden(address))
        if case .v4(let bits) = address {
            #expect(filter.isForbidden(.v6(high: 0, low: 0xFFFF_0000_0000 | UInt64(bits))))
        }
        let host = text.contains(":") ? "[\(text)]" : text
        #expect(throws: RefusedURL.forbiddenAddress) { try AddressGuard().check(url: "https://\(host)/hook") }
    }

    @Test(arguments: permitted)
    func `an address outside is permitted`(_ text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(!AddressFilter().isForbidden(address))
        let host = text.contains(":") ? "[\(text)]" : text
        #expect(try AddressGuard().check(url: "https://\(host)/hook").literal == address.unmapped)
    }

    /// api/webhooks.md, section 8, and others that parsers have been known to read differently.
    @Test(arguments: [
        "https://0x7f.1/", "https://0x7f000001/", "https://2130706433/", "https://017700000001/", "https://127.1/",
        "https://127.0.1/", "https://0177.0.0.1/", "https://127.0.0.1./", "https://0x7f.1./", "https://2130706433./",
        "https://[::ffff:7f00:1]/", "https://[::ffff:127.0.0.1]/", "https://[0:0:0:0:0:ffff:7f00:1]/", "https://[::1]/",
        "https://[::]/", "https://0/", "https://0.0.0.0/", "https://%31%32%37.0.0.1/", "https://127.0.0.1%2f/",
        "HTTPS://LOCALHOST/", "https://localhost/", "https://localhost./", "https://a.localhost/", "https:127.0.0.1/",
        "https:/127.0.0.1/", "https:///127.0.0.1/", "https://１２７.0.0.1/", "https://①②⑦.0.0.1/",
        "https://bücher.example/",
        "https://user@93.184.216.34/", "https://user:pw@93.184.216.34/", "https://@93.184.216.34/",
        "https://93.184.216.34@127.0.0.1/", "https://93.184.216.34\\@127.0.0.1/", "https://[fe80::1%25lo]/",
        "https://[fe80::1%lo]/", "https://93.184.216.34#@127.0.0.1/", "https://93.184.216.34/#",
        "https://93.184.216.34:22/",
        "https://93.184.216.34:25/", "https://93.184.216.34:80/", "https://93.184.216.34:53/",
        "https://93.184.216.34:2049/",
        "https://93.184.216.34:3306/", "https://93.184.216.34:5432/", "https://93.184.216.34:6379/",
        "https://93.184.216.34:11211/", "https://93.184.216.34:0/", "https://93.184.216.34:65536/",
        "https://93.184.216.34:-1/", "http://93.184.216.34/", "ftp://93.184.216.34/", "file:///etc/passwd",
        "gopher://93.184.216.34/", "//93.184.216.34/", "93.184.216.34", "", " https://93.184.216.34/", "https://",
        "https:///", "https://93.184.216.34/\r\nHost: a", "https://93.184.216.34/\u{0}", "https://a b.example/",
        "https://example.1/", "https://256.256.256.256/", "https://1.2.3.4.5/",
    ])
    func `a URL that could lead inside, or past the parser, is refused at submission`(_ text: String) {
        #expect(throws: RefusedURL.self) { try AddressGuard().check(url: text) }
    }

    @Test(
        arguments: [
            ("https://hooks.example/a?b=c", "hooks.example", 443),
            ("https://HOOKS.Example:8443/", "hooks.example", 8443),
            ("https://hooks.example.", "hooks.example", 443),
            ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443),
            ("https://93.184.216.34:1024/", "93.184.216.34", 1024), ("https://0x5db8d822/", "93.184.216.34", 443),
            ("https://[2606:2800:220:1::1]:65535/x", "2606:2800:220:1::1", 65_535),
            ("https://a_b.example/", "a_b.example", 443),
        ] as [(String, String, Int)])
    func `an ordinary URL is taken`(_ text: String, _ host: String, _ port: Int) throws {
        let url = try AddressGuard().check(url: text)
        #expect(url.host == host)
        #expect(url.port == port)
        #expect(url.isTLS)
    }

    @Test func `a URL has at most 2048 octets`() throws {
        let base = "https://hooks.example/"
        _ = try AddressGuard().check(url: base + String(repeating: "a", count: 2048 - base.count))
        #expect(throws: RefusedURL.tooLong) {
            try AddressGuard().check(url: base + String(repeating: "a", count: 2049 - base.count))
        }
    }

    @Test func `strict about ports means 443 and 8443`() throws {
        var settings = AddressGuard.Settings()
        settings.isStrictAboutPorts = true
        let strict = AddressGuard(settings: settings)
        _ = try strict.check(url: "https://hooks.example:8443/")
        _ = try strict.check(url: "https://hooks.example/")
        for port in [80, 1024, 9443] {
            #expect(throws: RefusedURL.strictPort) { try strict.check(url: "https://hooks.example:\(port)/") }
        }
    }

    @Test func `this machine's own addresses are not called, unless the deployment allows them`() throws {
        #expect(AddressGuard.Settings.ownAddresses().contains(.loopback))
        var settings = AddressGuard.Settings()
        settings.allowNetworks = [try #require(Network("127.0.0.0/8")), try #require(Network("93.184.216.35"))]
        settings.deny(own: ["127.0.0.1", "93.184.216.34", "93.184.216.35", "2600::7"].compactMap { IPAddress($0) })
        let guarding = AddressGuard(settings: settings)
        for good in [
            "https://127.0.0.1:9000/", "https://93.184.216.35/", "https://93.184.216.36/", "https://[2600::8]/",
        ] {
            _ = try guarding.check(url: good)
        }
        for own in ["https://93.184.216.34/", "https://[2600::7]/"] {
            #expect(throws: RefusedURL.forbiddenAddress) { try guarding.check(url: own) }
        }
    }

    @Test func `a deployment opens a network, and its own ports and addresses stay closed`() throws {
        var settings = AddressGuard.Settings()
        settings.allowNetworks = [try #require(Network("127.0.0.0/8"))]
        settings.denyNetworks = [try #require(Network("93.184.216.34")), try #require(Network("127.9.0.0/16"))]
        settings.denyPorts.insert(8077)
        let guarding = AddressGuard(settings: settings)
        _ = try guarding.check(url: "http://127.0.0.1:9000/hook")
        _ = try guarding.check(url: "http://[::ffff:127.0.0.1]:9000/hook")
        _ = try guarding.check(url: "https://localhost:9000/hook")
        #expect(throws: RefusedURL.port) { try guarding.check(url: "http://127.0.0.1:8077/v1/jobs") }
        #expect(throws: RefusedURL.forbiddenAddress) { try guarding.check(url: "http://127.9.0.1:9000/") }
        #expect(throws: RefusedURL.forbiddenAddress) { try guarding.check(url: "https://93.184.216.34/") }
        #expect(throws: RefusedURL.forbiddenAddress) { try guarding.check(url: "http://[::1]:9000/") }
        // Plain http only goes to what was opened.
        #expect(throws: RefusedURL.forbiddenAddress) { try guarding.check(url: "http://93.184.216.35/") }
    }

    struct Answers: Sendable, CustomTestStringConvertible {
        let addresses: [String]?
        let failure: SendFailure?
        var testDescription: String { addresses?.joined(separator: " ") ?? "no answer" }
        init(_ addresses: [String]?, _ failure: SendFailure?) {
            self.addresses = addresses
            self.failure = failure
        }
    }

    @Test(arguments: [
        Answers(["93.184.216.34", "2606:2800:220:1::1"], nil),
        Answers(["127.0.0.1"], .blockedAddress), Answers(["93.184.216.34", "127.0.0.1"], .blockedAddress),
        Answers(["2606:2800:220:1::1", "fe80::1"], .blockedAddress), Answers(["::ffff:10.0.0.1"], .blockedAddress),
        Answers(["64:ff9b::5db8:d822"], .blockedAddress), Answers(["2002:5db8:d822::1"], .blockedAddress),
        Answers([], .resolveFailed), Answers(nil, .resolveFailed),
    ])
    func `a name goes where all its addresses may`(_ row: Answers) async {
        let resolver = NameResolver { name in
            #expect(name == "hooks.example")
            guard let addresses = row.addresses else { return .failure(.unknown) }
            return .success(addresses.compactMap { IPAddress($0) })
        }
        do throws(SendFailure) {
            let guarding = AddressGuard(resolver: resolver)
            guard let url = try? guarding.check(url: "https://hooks.example./") else {
                Issue.record("refused")
                return
            }
            let found = try await guarding.addresses(of: url)
            #expect(row.failure == nil)
            #expect(found.map(\.description) == row.addresses)
        } catch {
            #expect(error == row.failure)
        }
    }

    @Test(
        arguments: [
            ("10.0.0.0/8", "10.1.2.3", true), ("10.0.0.0/8", "11.0.0.0", false), ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false), ("192.168.4.0/22", "192.168.7.255", true),
            ("192.168.4.0/22", "192.168.8.0", false),
            ("fd00::/8", "fd12::1", true), ("fd00::/8", "fc12::1", false), ("0.0.0.0/0", "8.8.8.8", true),
            ("::/0", "fe80::1", true), ("fd00:1::/33", "fd00:1:7fff::1", true),
            ("fd00:1::/33", "fd00:1:8000::1", false),
        ] as [(String, String, Bool)])
    func `a network holds what its bits say`(_ network: String, _ address: String, _ isInside: Bool) throws {
        let filter = AddressFilter(allowed: [try #require(Network(network))])
        #expect(filter.isAllowedByName(try #require(IPAddress(address))) == isInside)
    }

    @Test(arguments: ["", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/+8", "10.0/8", "ten/8", "10.0.0.0/8/8"])
    func `what is no network is refused`(_ text: String) {
        #expect(Network(text) == nil)
    }
}
