// swift-tools-version:6.1
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "mini-orm",
    platforms: [.macOS(.v15), .iOS(.v18), .tvOS(.v18), .watchOS(.v11), .visionOS(.v2)],
    products: [
        .library(name: "MiniORM", targets: ["MiniORM"]),
        .library(name: "MiniORMConformance", targets: ["MiniORMConformance"]),
        .library(name: "MiniORMPgVector", targets: ["MiniORMPgVector"]),
        .executable(name: "mini-orm", targets: ["mini-orm"]),
    ],
    traits: [
        .trait(name: "PgVector", description: "PostgreSQL with pgvector; needs libpq."),
        .default(enabledTraits: []),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.6.0")
    ],
    targets: [
        .target(name: "CVectorKernels"),
        .target(name: "MiniORM", dependencies: ["CVectorKernels"], swiftSettings: settings),
        .target(name: "MiniORMConformance", dependencies: ["MiniORM"], swiftSettings: settings),
        .executableTarget(
            name: "mini-orm",
            dependencies: [
                "MiniORM", "MiniORMConformance", .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .target(name: "MiniORMPgVector", condition: .when(traits: ["PgVector"])),
            ],
            resources: [.copy("Sample")],
            swiftSettings: settings
        ),
        .testTarget(name: "CVectorKernelsTests", dependencies: ["CVectorKernels"], swiftSettings: settings),
        .testTarget(
            name: "MiniORMTests", dependencies: ["MiniORM", "MiniORMConformance"], swiftSettings: settings),
        .testTarget(
            name: "MiniORMConformanceTests", dependencies: ["MiniORM", "MiniORMConformance"], swiftSettings: settings),
        .testTarget(name: "MiniORMToolTests", dependencies: ["MiniORM", "mini-orm"], swiftSettings: settings),

        // libpq is a system library that only the trait reaches.
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
        .target(
            name: "MiniORMPgVector",
            dependencies: ["MiniORM", .target(name: "CLibPQ", condition: .when(traits: ["PgVector"]))],
            swiftSettings: settings),
        .testTarget(
            name: "MiniORMPgVectorTests", dependencies: ["MiniORM", "MiniORMConformance", "MiniORMPgVector"],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
