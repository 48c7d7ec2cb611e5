// swift-tools-version:6.2
import PackageDescription

// Small parts of Port77 in release, to count their instructions: see count.py. The sources are those of the house; of HTTPCore
// only the parser, so that building it takes seconds.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
    name: "instructions",
    targets: [
        .systemLibrary(name: "CZlib", path: "Sources/CZlib"),
        .target(name: "Wire", dependencies: ["CZlib"], path: "Sources/Wire", swiftSettings: settings),
        .target(
            name: "HTTPCore", dependencies: ["Wire"], path: "Sources/HTTPCore",
            sources: [
                "Fields.swift", "Limits.swift", "Method.swift", "Octets.swift", "PercentCoding.swift", "RequestFault.swift",
                "RequestHead.swift", "RequestParser.swift", "RequestParser+Chunks.swift", "RequestParser+Head.swift",
                "Target.swift",
            ], swiftSettings: settings),
        .executableTarget(
            name: "units", dependencies: ["Wire", "HTTPCore"], path: "Units", swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
