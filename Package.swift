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
        .library(name: "MiniORMQdrant", targets: ["MiniORMQdrant"]),
        .executable(name: "mini-orm", targets: ["mini-orm"]),
    ],
    traits: [
        .trait(name: "Qdrant", description: "QdrantVectorStore: Qdrant over gRPC (fetches grpc-swift-2).")
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.6.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.3.0"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.6.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.31.0", traits: []),
    ],
    targets: [
        .target(name: "CVectorKernels"),
        .target(name: "MiniORM", dependencies: ["CVectorKernels"], swiftSettings: settings),
        .target(name: "MiniORMConformance", dependencies: ["MiniORM"], swiftSettings: settings),
        .testTarget(
            name: "MiniORMTests", dependencies: ["MiniORM", "MiniORMConformance"], swiftSettings: settings),
        .testTarget(
            name: "MiniORMConformanceTests", dependencies: ["MiniORM", "MiniORMConformance"], swiftSettings: settings),
        .target(
            name: "MiniORMQdrant",
            dependencies: [
                "MiniORM",
                .product(name: "GRPCCore", package: "grpc-swift-2", condition: .when(traits: ["Qdrant"])),
                .product(
                    name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport",
                    condition: .when(traits: ["Qdrant"])
                ),
                .product(name: "SwiftProtobuf", package: "swift-protobuf", condition: .when(traits: ["Qdrant"])),
            ],
            exclude: ["Generated/qdrant.proto"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "MiniORMQdrantTests",
            dependencies: [
                "MiniORM", "MiniORMConformance", "MiniORMQdrant",
                .product(name: "SwiftProtobuf", package: "swift-protobuf", condition: .when(traits: ["Qdrant"])),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "mini-orm",
            dependencies: [
                "MiniORM", "MiniORMConformance", .target(name: "MiniORMQdrant", condition: .when(traits: ["Qdrant"])),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            resources: [.copy("Sample")],
            swiftSettings: settings
        ),
        .testTarget(name: "CVectorKernelsTests", dependencies: ["CVectorKernels"], swiftSettings: settings),
        .testTarget(name: "MiniORMToolTests", dependencies: ["MiniORM", "mini-orm"], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
