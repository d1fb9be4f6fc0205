// swift-tools-version:6.1
import PackageDescription

let package = Package(
    name: "mini-orm-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "mini-orm", path: "..")],
    targets: [
        .target(name: "CStreamRate"),
        .executableTarget(
            name: "scan-rate", dependencies: ["CStreamRate", .product(name: "MiniORM", package: "mini-orm")]),
    ],
    swiftLanguageModes: [.v6]
)
