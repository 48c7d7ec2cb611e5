// swift-tools-version:6.2
import Foundation
import PackageDescription

// Rooms in layer order, by the table "Rooms" in README.md: a room names here what it may import, and
// `--explicit-target-dependency-import-check error` (see Makefile) fails the build when it imports anything else.

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let sqlite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

struct Room {
    let name: String
    let imports: [Target.Dependency]
    init(_ name: String, _ imports: [Target.Dependency] = []) {
        self.name = name
        self.imports = imports
    }
}

let rooms: [Room] = [
    Room("Wire", ["CZlib"]),
    Room("Lines", ["CSystem", "COpenSSL", "Wire"]),
    Room("HTTPCore", ["CSystem", "Wire", "Lines"]),
    Room("Protocols", ["Wire"]),
    Room("Jobs", ["Wire", crypto]),
    Room("Tokens", ["CCurl", "Wire", "Jobs", crypto, cryptoExtras, logging]),
    Room("Stations", ["CCurl", "Wire", "Lines", "Protocols", "Jobs", logging]),
    Room("Stores", ["CSystem", "Wire", "Jobs", grdb, sqlite, crypto, logging]),
    Room("Webhooks", ["CCurl", "CSystem", "Wire", "Lines", "Jobs", "Stores", crypto, logging]),
    Room("Engine", ["Wire", "Lines", "Jobs", "Stations", "Stores", logging]),
    Room(
        "GatewayAPI",
        ["Wire", "Lines", "HTTPCore", "Jobs", "Stations", "Stores", "Webhooks", "Engine", crypto, logging]),
    Room("ReferenceHost", ["CSystem", "Wire", "Lines", "Protocols", "Jobs", crypto, logging]),
]

/// What the tests of a room import beside the room itself.
let tests: [Room] = [
    Room("Wire"),
    Room("Lines", ["CSystem", "Wire"]),
    Room("HTTPCore", ["CSystem", "Wire", "Lines"]),
    Room("Protocols", ["Wire"]),
    Room("Jobs", ["Wire"]),
    Room("Tokens", ["Wire", "Jobs", "Lines", logging]),
    Room("Stations", ["Wire", "Lines", "Protocols", "Jobs"]),
    Room("Stores", ["Wire", "Jobs", grdb]),
    Room("Webhooks", ["Wire", "Lines", "Jobs", "Stores", crypto, logging]),
    Room("Engine", ["Wire", "Lines", "Jobs", "Stations", "Stores", logging]),
    Room(
        "GatewayAPI", ["Wire", "Lines", "HTTPCore", "Jobs", "Stations", "Stores", "Webhooks", "Engine", logging, yams]),
    Room("ReferenceHost", ["Wire", "Lines", "Protocols", "Jobs", "Stations"]),
]

/// `Stores:1` puts the seeded bug 1 into that room, `Stores:1,7` two of them, to show that the campaigns can fail: see
/// scripts/seeded-bugs.
func seededBug(in room: String) -> [SwiftSetting] {
    let words = Context.environment["PORT77_SEEDED_BUG"]?.split(separator: ":") ?? []
    guard words.count == 2, words[0] == room else { return [] }
    return words[1].split(separator: ",").map { .define("SEEDED_BUG_\($0)") }
}

/// Folders that tests read by path: SwiftPM is told that they hold no sources.
func dataFolders(in path: String) -> [String] {
    ["Corpus", "Transcripts"].filter {
        FileManager.default.fileExists(atPath: "\(Context.packageDirectory)/\(path)/\($0)")
    }
}

let package = Package(
    name: "port77",
    products: [.executable(name: "port77", targets: ["port77"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        .systemLibrary(name: "CSystem"),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .target(name: "CCurl", linkerSettings: [.linkedLibrary("curl"), .linkedLibrary("ssl")]),
    ]
        + rooms.map {
            .target(name: $0.name, dependencies: $0.imports, swiftSettings: settings + seededBug(in: $0.name))
        }
        + [
            .executableTarget(
                name: "port77",
                dependencies: rooms.map { .byName(name: $0.name) } + [
                    yams, logging, argumentParser, crypto, "CSystem",
                ],
                swiftSettings: settings),
            .target(
                name: "TestKit", dependencies: ["CSystem", "Wire", "Lines"], path: "Tests/TestKit",
                swiftSettings: settings),
            .testTarget(
                name: "EndToEndTests", dependencies: ["TestKit", "Wire", "Jobs", "port77"], path: "Tests/EndToEnd",
                swiftSettings: settings),
        ]
        + tests.map {
            .testTarget(
                name: $0.name + "Tests", dependencies: [.byName(name: $0.name), "TestKit"] + $0.imports,
                path: "Tests/\($0.name)Tests", exclude: dataFolders(in: "Tests/\($0.name)Tests"),
                swiftSettings: settings)
        },
    swiftLanguageModes: [.v6]
)

// Fuzz targets are built only on request: `PORT77_FUZZ=1 swift build --sanitize=fuzzer` (see Makefile, `make fuzz`).
if Context.environment["PORT77_FUZZ"] != nil {
    let targets: [Room] = [
        Room("privrje-station", ["Protocols", "Wire"]),
        Room("privrje-host", ["Protocols", "Wire"]),
        Room("http-parser", ["HTTPCore"]),
        Room("netrjs-station", ["Protocols"]),
        Room("netrjs-host", ["Protocols"]),
        Room("telnet", ["Wire"]),
        Room("rfc407-host", ["Protocols", "Wire"]),
        Room("rfc407-station", ["Protocols", "Wire"]),
        Room("probe", ["Protocols"]),
        Room("token", ["Wire"]),
        Room("pattern", ["Wire"]),
    ]
    package.targets += targets.map {
        .executableTarget(
            name: $0.name, dependencies: $0.imports, path: "Tests/Fuzz/\($0.name)",
            swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])])
    }
}
