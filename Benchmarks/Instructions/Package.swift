// swift-tools-version:6.2
import PackageDescription

// Small parts of Port77 in release, to count their instructions: see count.py. The sources are those of the house's ground floors,
// which need no other package, so that building them takes seconds.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
    name: "instructions",
    targets: [
        .systemLibrary(name: "CSystem", path: "Sources/CSystem"),
        .systemLibrary(name: "CZlib", path: "Sources/CZlib"),
        .systemLibrary(name: "COpenSSL", path: "Sources/COpenSSL"),
        .target(name: "Wire", dependencies: ["CZlib"], path: "Sources/Wire", swiftSettings: settings),
        .target(
            name: "Lines", dependencies: ["CSystem", "COpenSSL", "Wire"], path: "Sources/Lines", swiftSettings: settings),
        .target(
            name: "HTTPCore", dependencies: ["CSystem", "Wire", "Lines"], path: "Sources/HTTPCore", swiftSettings: settings),
        .executableTarget(
            name: "units", dependencies: ["Wire", "HTTPCore"], path: "Units", swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
