// swift-tools-version:6.2
import PackageDescription

// Small parts of Port77 in release, to count their instructions: see count.py. The sources are those of the house's ground floors,
// which need no other package, and one file of a higher one, whose package takes a minute to build.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
    name: "instructions",
    dependencies: [.package(url: "https://github.com/apple/swift-crypto", from: "4.5.0")],
    targets: [
        .systemLibrary(name: "CSystem", path: "Sources/CSystem"),
        .systemLibrary(name: "CZlib", path: "Sources/CZlib"),
        .systemLibrary(name: "COpenSSL", path: "Sources/COpenSSL"),
        .target(name: "Wire", dependencies: ["CZlib"], path: "Sources/Wire", swiftSettings: settings),
        .target(
            name: "Lines", dependencies: ["CSystem", "COpenSSL", "Wire"], path: "Sources/Lines", swiftSettings: settings
        ),
        .target(
            name: "HTTPCore", dependencies: ["CSystem", "Wire", "Lines"], path: "Sources/HTTPCore",
            swiftSettings: settings),
        .target(
            name: "Webhooks", dependencies: ["Wire", .product(name: "Crypto", package: "swift-crypto")],
            path: "Sources/Webhooks", sources: ["Signature.swift"], swiftSettings: settings),
        .executableTarget(
            name: "units", dependencies: ["Wire", "HTTPCore", "Webhooks"], path: "Units", swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
