// swift-tools-version:6.1
import PackageDescription

// Apart from the other benchmarks, as it needs FAISS.
let package = Package(
    name: "mini-orm-faiss-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "mini-orm", path: "../..", traits: ["Faiss"])],
    targets: [
        .target(name: "CFaissDirect", cxxSettings: [.headerSearchPath("openmp")]),
        .executableTarget(
            name: "faiss-overhead",
            dependencies: [
                "CFaissDirect", .product(name: "MiniORM", package: "mini-orm"),
                .product(name: "MiniORMFaiss", package: "mini-orm"),
            ]
        ),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
