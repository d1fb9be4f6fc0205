// swift-tools-version:6.1
import PackageDescription

// A package of its own, so that nobody who uses the library builds it.
let package = Package(
    name: "mini-orm-benchmark-qdrant",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "mini-orm", path: "../..", traits: ["Qdrant"])],
    targets: [
        .executableTarget(
            name: "qdrant-client",
            dependencies: [
                .product(name: "MiniORM", package: "mini-orm"), .product(name: "MiniORMQdrant", package: "mini-orm"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
