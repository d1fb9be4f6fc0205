import MiniORM
import MiniORMFaiss

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Writes to a store until it is killed, and says what was acknowledged; or checks what a killed one left.
///
///     FaissCrashHelper write DIRECTORY
///     FaissCrashHelper check DIRECTORY OPERATIONS
///     FaissCrashHelper save DIRECTORY
///     FaissCrashHelper open DIRECTORY [read]
///
/// `save` has the index of a graph saved again and again. `open` says whether the directory can be opened.
@main
struct FaissCrashHelper {
    #if Faiss
    /// One call to the store, the same for the same number. Upserts of 40 records of 100 ids: dead rows pile up
    /// quickly, so that files are compacted all the time.
    static func apply(_ number: Int, to store: some VectorStorePort) throws {
        if number % 7 == 6 {
            let ids = (0..<10).map { "record \((number + $0) % 100)" }
            _ = try store.delete(DeleteRequest(collection: "crash", ids: ids))
        } else {
            let records = (0..<40).map { index in
                VectorRecord(
                    id: "record \((number * 13 + index) % 100)", vector: [Float(number), Float(index), 1],
                    payload: ["operation": .int(Int64(number))])
            }
            try store.upsert(UpsertRequest(collection: "crash", records: records))
        }
    }

    static let collection = CreateCollectionRequest(
        collection: CollectionDescription(name: "crash", dimension: 3, metric: .l2), mode: .ensure)

    static func open(_ directory: String) throws -> FaissVectorStore {
        try FaissVectorStore(directory: directory, configuration: FaissConfiguration(index: .flat, waitsForDisk: false))
    }

    /// How many operations the store in a directory has seen, in a record of their own.
    static func records(_ store: some VectorStorePort) throws -> [VectorRecord] {
        try store.fetch(FetchRequest(collection: "crash", ids: nil)).sorted { $0.id < $1.id }
    }

    static func write(_ directory: String) throws {
        let store = try open(directory)
        try store.createCollection(collection)
        var number = 0
        while true {
            try apply(number, to: store)
            number += 1
            print(number)
            fflush(nil)
        }
    }

    /// Records of a graph that is large enough to be saved, the same for the same number.
    static func records(_ numbers: Range<Int>) -> [VectorRecord] {
        numbers.map { number in
            var state = UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15
            let vector = (0..<8).map { _ -> Float in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Float(state >> 40) / 0x1p24
            }
            return VectorRecord(id: "record \(number)", vector: vector)
        }
    }

    /// Adds to a graph, and has its index saved by closing the store, over and over. Says when a save begins, and how
    /// many records there are.
    static func save(_ directory: String) throws {
        let configuration = FaissConfiguration(index: .hnsw(m: 16, efConstruction: 40))
        let request = CreateCollectionRequest(
            collection: CollectionDescription(name: "graph", dimension: 8, metric: .l2), mode: .ensure)
        var count = 0
        while true {
            let store = try FaissVectorStore(directory: directory, configuration: configuration)
            try store.createCollection(request)
            let added = count == 0 ? 2_000 : 100
            try store.upsert(UpsertRequest(collection: "graph", records: records(count..<count + added)))
            count += added
            print(count)
            fflush(nil)
            try store.close()
        }
    }

    /// Whether the store holds what so many operations leave, or one more.
    static func check(_ directory: String, _ acknowledged: Int) throws -> Bool {
        let store = try open(directory)
        try store.createCollection(collection)
        let found = try records(store)
        let model = InMemoryVectorStore()
        try model.createCollection(collection)
        for number in 0..<acknowledged { try apply(number, to: model) }
        if try records(model) == found { return true }
        try apply(acknowledged, to: model)
        return try records(model) == found
    }
    #endif

    static func main() throws {
        #if Faiss
        let arguments = CommandLine.arguments
        if arguments.count == 3, arguments[1] == "write" { try write(arguments[2]) }
        if arguments.count == 3, arguments[1] == "save" { try save(arguments[2]) }
        if arguments.count >= 3, arguments[1] == "open" {
            do {
                _ = try FaissVectorStore(directory: arguments[2], readOnly: arguments.last == "read")
            } catch VectorStoreError.Code.unavailable { exit(3) }
            exit(0)
        }
        if arguments.count == 4, arguments[1] == "check", let acknowledged = Int(arguments[3]) {
            exit(try check(arguments[2], acknowledged) ? 0 : 1)
        }
        #endif
        exit(2)
    }
}
