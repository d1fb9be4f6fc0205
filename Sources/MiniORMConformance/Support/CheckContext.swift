import MiniORM
import Synchronization

/// How a check reaches the store.
enum Face: String, Sendable {
    case async = "AsyncVectorRepository"
    case sync = "VectorRepository"
    case bare = "the bare port"

    static let repositories: [Face] = [.async, .sync]
}

/// Thrown by a check that finds out only by trying that it does not apply.
struct CheckSkipped: Error { let why: String }

/// What a check works with: a store, through one face, and collections of its own.
final class CheckContext: Sendable {
    let harness: any ConformanceHarness
    let store: ConformanceStore
    let face: Face
    /// The store as one that suspends, whatever it is.
    let port: any AsyncVectorStorePort
    private let base: String
    private let opened = Mutex<[String]>([])
    let filterUse = Mutex(FilterUse())

    init(harness: any ConformanceHarness, store: ConformanceStore, check: String, face: Face) {
        self.harness = harness
        self.store = store
        self.face = face
        port = Self.port(of: store)
        // Checks may run side by side on one server: a check's names are its own, and the same in every run.
        var hash: UInt32 = 2_166_136_261
        for byte in check.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        base =
            "\(harness.collectionPrefix)-\(String(hash, radix: 36))\(face == .async ? "a" : face == .sync ? "s" : "p")"
    }

    static func port(of store: ConformanceStore) -> any AsyncVectorStorePort {
        switch store {
        case .blocking(let store): OffloadedVectorStore(store)
        case .suspending(let store): store
        }
    }

    var capabilities: StoreCapabilities { store.capabilities }

    /// A metric that the store has, cosine where it can.
    var metric: VectorMetric {
        VectorMetric.allCases.first(where: capabilities.metrics.contains) ?? .cosine
    }

    /// The name of one of the check's collections.
    func name(_ number: Int) -> String { "\(base)\(number)" }

    /// Remembers a collection, so that it is dropped after the check.
    func willCreate(_ name: String) { opened.withLock { $0.append(name) } }

    /// An empty collection of the check's own.
    func open(
        _ number: Int = 0, dimension: Int = 3, metric: VectorMetric? = nil
    ) async throws -> CheckedRepository {
        try await open(name(number), dimension: dimension, metric: metric, overwrite: true)
    }

    /// A collection by its name.
    func open(
        _ name: String, dimension: Int = 3, metric: VectorMetric? = nil, autoCreate: Bool = true,
        overwrite: Bool = false, on store: ConformanceStore? = nil
    ) async throws -> CheckedRepository {
        if autoCreate { willCreate(name) }
        let metric = metric ?? self.metric
        let store = store ?? self.store
        if face != .sync {
            return .async(
                try await AsyncVectorRepository(
                    Self.port(of: store), name, dimension: dimension, metric: metric, autoCreate: autoCreate,
                    overwrite: overwrite))
        }
        let blocking: any VectorStorePort =
            switch store {
            case .blocking(let store): store
            case .suspending(let store): BlockingVectorStore(store)
            }
        return .sync(
            try await onOwnThread {
                try VectorRepository(
                    blocking, name, dimension: dimension, metric: metric, autoCreate: autoCreate, overwrite: overwrite)
            })
    }

    /// Drops what the check created; says what went wrong.
    func dropCollections() async -> String? {
        guard capabilities.nativeOperations.contains(.dropCollection) else { return nil }
        var names: Set<UTF8Key> = []
        for name in opened.withLock({ $0 }) where names.insert(UTF8Key(name)).inserted {
            do { try await port.dropCollection(name) } catch {
                let isGone = error.code == .collectionNotFound || error.code == .invalidCollectionName
                if !isGone { return "\(error)" }
            }
        }
        return nil
    }

    /// An id that every store takes; ordered as the numbers are, up to 99,999.
    func id(_ number: Int) -> String {
        let digits = String(number)
        let padded = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        return capabilities.idPolicy == .uuid ? "00000000-0000-4000-8000-0000000\(padded)" : "r\(padded)"
    }

    /// A record with an id that every store takes.
    func record(_ number: Int, _ vector: [Float], _ payload: [String: PayloadValue]? = nil) -> VectorRecord {
        VectorRecord(id: id(number), vector: vector, payload: payload)
    }
}
