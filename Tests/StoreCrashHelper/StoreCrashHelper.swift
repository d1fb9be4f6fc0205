import MiniORM

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Writes to a store until it is killed, and says what was acknowledged; or holds a directory; or goes elsewhere before
/// it writes.
///
///     StoreCrashHelper write DIRECTORY FIRST-CALL always|never
///     StoreCrashHelper hold DIRECTORY
///     StoreCrashHelper wander DIRECTORY CALLS
@main
struct StoreCrashHelper {
    /// One call to the store, the same for the same number. Dead rows pile up quickly, so that chunks are emptied all
    /// the time.
    static func call(_ number: Int, _ store: some VectorStorePort) throws {
        switch number % 16 {
        case 6:
            let ids = (0..<10).map { "record \((number + $0) % 150)" }
            _ = try store.delete(DeleteRequest(collection: "crash", ids: ids))
        case 11:
            let filter = VectorFilter.field("call") < .int(Int64(number - 20))
            _ = try store.deleteMatching(DeleteMatchingRequest(collection: "crash", filter: filter))
        case 13 where number % 5 == 0:
            let description = CollectionDescription(name: "crash", dimension: 20, metric: .l2)
            try store.createCollection(CreateCollectionRequest(collection: description, mode: .overwrite))
        default:
            let records = (0..<(number % 40 + 1)).map { index in
                VectorRecord(
                    id: "record \((number * 13 + index) % 150)",
                    vector: (0..<20).map { Float(number) + Float(index * $0) }, payload: ["call": .int(Int64(number))])
            }
            try store.upsert(UpsertRequest(collection: "crash", records: records))
        }
    }

    static func open(
        _ directory: String, _ synchronization: Durability.Synchronization
    ) throws -> InMemoryVectorStore {
        var durability = Durability()
        durability.synchronization = synchronization
        durability.checkpointBytes = 1
        let store = try InMemoryVectorStore(at: directory, durability: durability, threads: 1)
        let description = CollectionDescription(name: "crash", dimension: 20, metric: .l2)
        try store.createCollection(CreateCollectionRequest(collection: description, mode: .ensure))
        return store
    }

    static func write(_ directory: String, _ first: Int, _ synchronization: Durability.Synchronization) throws {
        let store = try open(directory, synchronization)
        print("open")
        var number = first
        while true {
            fflush(nil)
            try call(number, store)
            number += 1
            print(number)
        }
    }

    static func wander(_ directory: String, _ calls: Int) throws {
        let store = try open(directory, .never)
        guard chdir("/") == 0 else { exit(1) }
        for number in 0..<calls { try call(number, store) }
        try store.checkpoint()
        try store.close()
    }

    static func main() throws {
        let arguments = CommandLine.arguments
        if arguments.count == 4, arguments[1] == "wander", let calls = Int(arguments[3]) {
            try wander(arguments[2], calls)
            exit(0)
        }
        if arguments.count == 5, arguments[1] == "write", let first = Int(arguments[3]) {
            try write(arguments[2], first, arguments[4] == "always" ? .always : .never)
        }
        if arguments.count == 3, arguments[1] == "hold" {
            let store = try InMemoryVectorStore(at: arguments[2])
            print("open")
            fflush(nil)
            // Until the other side closes the pipe.
            _ = readLine()
            try store.close()
            exit(0)
        }
        exit(2)
    }
}
