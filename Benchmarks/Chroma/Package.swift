// swift-tools-version:6.1
import PackageDescription

let package = Package(
    name: "chroma-benchmark",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "mini-orm", path: "../..", traits: ["Chroma"])],
    targets: [
        .executableTarget(
            name: "chroma-benchmark",
            dependencies: [
                .product(name: "MiniORM", package: "mini-orm"), .product(name: "MiniORMChroma", package: "mini-orm"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
