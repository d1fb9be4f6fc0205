// swift-tools-version:6.1
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// For the project's own tests, whose time is mostly spent in the core and in the kit, and which run them as users do. A
// dependency may not have such flags.
let isOptimized = Context.environment["MINIORM_OPTIMIZED"] != nil
let kernelSettings: [CSetting] = isOptimized ? [.unsafeFlags(["-O2"])] : []
let coreSettings = settings + (isOptimized ? [.unsafeFlags(["-O"])] : [])

let package = Package(
    name: "mini-orm",
    platforms: [.macOS(.v15), .iOS(.v18), .tvOS(.v18), .watchOS(.v11), .visionOS(.v2)],
    products: [
        .library(name: "MiniORM", targets: ["MiniORM"]),
        .library(name: "MiniORMConformance", targets: ["MiniORMConformance"]),
        .library(name: "MiniORMChroma", targets: ["MiniORMChroma"]),
        .library(name: "MiniORMFaiss", targets: ["MiniORMFaiss"]),
        .library(name: "MiniORMPgVector", targets: ["MiniORMPgVector"]),
        .library(name: "MiniORMQdrant", targets: ["MiniORMQdrant"]),
        .executable(name: "mini-orm", targets: ["mini-orm"]),
    ],
    // A trait lets an adapter's libraries and packages into the graph; without it the adapter is an empty module.
    traits: [
        .trait(name: "Chroma", description: "Chroma's server over HTTP (fetches async-http-client)."),
        .trait(name: "Faiss", description: "FaissVectorStore; needs FAISS and, on Linux, OpenBLAS and libgomp."),
        .trait(name: "PgVector", description: "PgVectorStore: PostgreSQL with pgvector; needs libpq."),
        .trait(name: "Qdrant", description: "QdrantVectorStore: Qdrant over gRPC; fetches grpc-swift-2."),
        .default(enabledTraits: []),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.6.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.30.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.3.0"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.6.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.31.0", traits: []),
    ],
    targets: [
        .target(name: "CVectorKernels", cSettings: kernelSettings),
        .target(name: "MiniORM", dependencies: ["CVectorKernels"], swiftSettings: coreSettings),
        .target(name: "MiniORMConformance", dependencies: ["MiniORM"], swiftSettings: coreSettings),
        // Qdrant over gRPC: packages that only the trait fetches.
        .target(
            name: "MiniORMQdrant",
            dependencies: [
                "MiniORM",
                .product(name: "GRPCCore", package: "grpc-swift-2", condition: .when(traits: ["Qdrant"])),
                .product(
                    name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport",
                    condition: .when(traits: ["Qdrant"])
                ),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Qdrant"])),
                .product(name: "NIOPosix", package: "swift-nio", condition: .when(traits: ["Qdrant"])),
                .product(name: "SwiftProtobuf", package: "swift-protobuf", condition: .when(traits: ["Qdrant"])),
            ],
            exclude: ["Generated/qdrant.proto"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "MiniORMQdrantTests",
            dependencies: [
                "MiniORM", "MiniORMConformance", "TestSupport", "MiniORMQdrant",
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Qdrant"])),
                .product(name: "NIOEmbedded", package: "swift-nio", condition: .when(traits: ["Qdrant"])),
                .product(name: "SwiftProtobuf", package: "swift-protobuf", condition: .when(traits: ["Qdrant"])),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "mini-orm",
            dependencies: [
                "MiniORM", "MiniORMConformance",
                .target(name: "MiniORMChroma", condition: .when(traits: ["Chroma"])),
                .target(name: "MiniORMFaiss", condition: .when(traits: ["Faiss"])),
                .target(name: "MiniORMPgVector", condition: .when(traits: ["PgVector"])),
                .target(name: "MiniORMQdrant", condition: .when(traits: ["Qdrant"])),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            resources: [.copy("Sample")],
            swiftSettings: settings
        ),
        .target(name: "TestSupport", dependencies: ["MiniORM"], path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(name: "CVectorKernelsTests", dependencies: ["CVectorKernels"], swiftSettings: settings),
        // A process that the tests of crashes kill.
        .executableTarget(
            name: "StoreCrashHelper", dependencies: ["MiniORM"], path: "Tests/StoreCrashHelper", swiftSettings: settings
        ),
        .testTarget(
            name: "MiniORMTests",
            dependencies: ["CVectorKernels", "MiniORM", "MiniORMConformance", "StoreCrashHelper", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "MiniORMConformanceTests", dependencies: ["MiniORM", "MiniORMConformance"], swiftSettings: settings),
        .testTarget(name: "MiniORMToolTests", dependencies: ["MiniORM", "mini-orm"], swiftSettings: settings),
        .target(
            name: "MiniORMChroma",
            dependencies: [
                "MiniORM", "CVectorKernels",
                .product(name: "AsyncHTTPClient", package: "async-http-client", condition: .when(traits: ["Chroma"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Chroma"])),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: .when(traits: ["Chroma"])),
                .product(name: "NIOPosix", package: "swift-nio", condition: .when(traits: ["Chroma"])),
                .product(name: "NIOSSL", package: "swift-nio-ssl", condition: .when(traits: ["Chroma"])),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "MiniORMChromaTests",
            dependencies: [
                "MiniORM", "MiniORMConformance", "TestSupport", "MiniORMChroma",
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Chroma"])),
            ],
            exclude: ["faulty_proxy.py"],
            swiftSettings: settings
        ),

        // FAISS: a C++ shim that is empty without its trait.
        .target(
            name: "CFaiss",
            cxxSettings: [.define("MINIORM_FAISS", .when(traits: ["Faiss"])), .headerSearchPath("openmp")],
            linkerSettings: [
                .linkedLibrary("faiss", .when(traits: ["Faiss"])),
                // Debian's FAISS is a static archive: what it uses has to be named.
                .linkedLibrary("openblas", .when(platforms: [.linux], traits: ["Faiss"])),
                .linkedLibrary("gomp", .when(platforms: [.linux], traits: ["Faiss"])),
                .linkedLibrary("omp", .when(platforms: [.macOS], traits: ["Faiss"])),
            ]
        ),
        .target(
            name: "MiniORMFaiss",
            dependencies: ["MiniORM", "CVectorKernels", .target(name: "CFaiss", condition: .when(traits: ["Faiss"]))],
            swiftSettings: settings
        ),
        // A process that the tests of crashes kill.
        .executableTarget(
            name: "FaissCrashHelper", dependencies: ["MiniORM", "MiniORMFaiss"], path: "Tests/FaissCrashHelper",
            swiftSettings: settings
        ),
        .testTarget(
            name: "MiniORMFaissTests",
            dependencies: ["MiniORM", "MiniORMConformance", "TestSupport", "MiniORMFaiss", "FaissCrashHelper"],
            swiftSettings: settings
        ),

        // libpq is a system library that only the trait reaches.
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
        .target(
            name: "MiniORMPgVector",
            dependencies: [
                "MiniORM", "CVectorKernels", .target(name: "CLibPQ", condition: .when(traits: ["PgVector"])),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "MiniORMPgVectorTests",
            dependencies: ["MiniORM", "MiniORMConformance", "TestSupport", "MiniORMPgVector", "mini-orm"],
            swiftSettings: settings
        ),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
