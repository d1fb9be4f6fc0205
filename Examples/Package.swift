// swift-tools-version:6.1
import PackageDescription

let package = Package(
    name: "mini-orm-examples",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "mini-orm-swift", path: "..")],
    targets: [
        .executableTarget(
            name: "first-search", dependencies: [.product(name: "MiniORM", package: "mini-orm-swift")]),
        .executableTarget(
            name: "move-a-collection", dependencies: [.product(name: "MiniORM", package: "mini-orm-swift")]),
        .executableTarget(
            name: "write-a-store",
            dependencies: [
                .product(name: "MiniORM", package: "mini-orm-swift"),
                .product(name: "MiniORMConformance", package: "mini-orm-swift"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
