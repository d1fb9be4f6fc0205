import Foundation
import MiniORM

/// A store in a directory.
struct KeptStore {
    let path: String

    func fill(_ body: (InMemoryVectorStore) throws -> Void) throws {
        let store = try InMemoryVectorStore(at: path)
        try body(store)
        try store.close()
    }

    func open(threads: Int) throws -> InMemoryVectorStore {
        try InMemoryVectorStore(at: path, threads: threads)
    }

    /// The files, with their bytes.
    func files() throws -> [(path: String, bytes: Int)] {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw Failure("nothing was kept at \(path)")
        }
        let names = isDirectory.boolValue ? try FileManager.default.subpathsOfDirectory(atPath: path) : [""]
        return try names.compactMap { name in
            let file = name.isEmpty ? path : path + "/" + name
            let attributes = try FileManager.default.attributesOfItem(atPath: file)
            guard attributes[.type] as? FileAttributeType == .typeRegular else { return nil }
            return (file, (attributes[.size] as? Int) ?? 0)
        }
    }

    /// Reads every byte into memory, a file after the other.
    func read() throws -> Int {
        var total = 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        for file in try files() {
            let descriptor = Foundation.open(file.path, O_RDONLY)
            guard descriptor >= 0 else { throw Failure("cannot read \(file.path)") }
            defer { close(descriptor) }
            while true {
                let got = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
                guard got >= 0 else { throw Failure("cannot read \(file.path)") }
                if got == 0 { break }
                total += got
            }
        }
        return total
    }
}
