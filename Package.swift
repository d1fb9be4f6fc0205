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
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.6.0")
    ],
    targets: [
        .target(name: "CVectorKernels"),
        .target(name: "MiniORM", dependencies: ["CVectorKernels"], swiftSettings: settings),
        .target(name: "MiniORMConformance", dependencies: ["MiniORM"], swiftSettings: settings),
        .testTarget(
            name: "MiniORMTests", dependencies: ["MiniORM", "MiniORMConformance"], swiftSettings: settings),
        .testTarget(
            name: "MiniORMConformanceTests", dependencies: ["MiniORM", "MiniORMConformance"], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
