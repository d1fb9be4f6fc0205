import Foundation

/// The float32 rows of a NumPy file, mapped.
struct Vectors {
    let dimension: Int
    let count: Int
    private let data: Data
    private let headerEnd: Int

    /// A NumPy file, version 1, little-endian float32, two dimensions.
    init(npy path: String, limit: Int? = nil) throws {
        data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        guard data.count > 10 else { throw Failure("\(path) is not a NumPy file") }
        headerEnd = 10 + Int(data[8]) + Int(data[9]) << 8
        guard data.count > headerEnd, let header = String(data: data[10..<headerEnd], encoding: .ascii),
            header.contains("'<f4'"), header.contains("'fortran_order': False"),
            let open = header.lastIndex(of: "("), let close = header.lastIndex(of: ")")
        else { throw Failure("\(path) does not hold float32 in rows") }
        let shape = header[header.index(after: open)..<close].split(separator: ",")
            .compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        guard shape.count == 2, data.count == headerEnd + shape[0] * shape[1] * 4 else {
            throw Failure("\(path) is cut short or not of two dimensions")
        }
        dimension = shape[1]
        count = min(shape[0], limit ?? shape[0])
    }

    func row(_ index: Int) -> [Float] {
        let start = headerEnd + index * dimension * 4
        return data.withUnsafeBytes { bytes in
            [Float](unsafeUninitializedCapacity: dimension) { row, initialized in
                UnsafeMutableRawBufferPointer(row).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + dimension * 4]))
                initialized = dimension
            }
        }
    }
}
