// swift-tools-version:6.1
import PackageDescription

let package = Package(
    name: "mini-orm-benchmarks",
    platforms: [.macOS(.v15)],
    traits: [
        .trait(name: "Chroma", description: "What needs an HTTP client."),
        .trait(name: "PgVector", description: "What needs libpq."), .default(enabledTraits: []),
    ],
    dependencies: [
        .package(
            name: "mini-orm", path: "..",
            traits: [
                .trait(name: "Chroma", condition: .when(traits: ["Chroma"])),
                .trait(name: "PgVector", condition: .when(traits: ["PgVector"])),
            ])
    ],
    targets: [
        .target(name: "CStreamRate"),
        .executableTarget(
            name: "scan-rate", dependencies: ["CStreamRate", .product(name: "MiniORM", package: "mini-orm")]),
        .executableTarget(name: "store-rate", dependencies: [.product(name: "MiniORM", package: "mini-orm")]),
        .executableTarget(
            name: "coded-scan", dependencies: ["CStreamRate", .product(name: "MiniORM", package: "mini-orm")]),
        .executableTarget(
            name: "compare-ours", dependencies: ["CStreamRate", .product(name: "MiniORM", package: "mini-orm")]),
        .executableTarget(
            name: "chroma-rate",
            dependencies: [
                .product(name: "MiniORM", package: "mini-orm"),
                .product(name: "MiniORMChroma", package: "mini-orm"),
            ]),
        .executableTarget(
            name: "pgvector-rate",
            dependencies: [
                .product(name: "MiniORM", package: "mini-orm"), .product(name: "MiniORMPgVector", package: "mini-orm"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
