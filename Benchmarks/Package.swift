// swift-tools-version:6.2
import PackageDescription

// What Port77 is measured against. A package of its own, so that nobody who uses Port77 resolves it: see bench.py.
let package = Package(
    name: "benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        .executableTarget(
            name: "hummingbird-peer",
            dependencies: [
                .product(name: "Hummingbird", package: "hummingbird"), .product(name: "GRDB", package: "GRDB.swift"),
            ], path: "Sources/hummingbird")
    ],
    swiftLanguageModes: [.v6]
)
