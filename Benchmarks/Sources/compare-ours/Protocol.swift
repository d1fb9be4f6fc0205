import Foundation

/// A line of standard input.
struct Command: Decodable {
    enum Operation: String, Decodable {
        /// Fills a new store with rows.
        case load
        /// Asks until answers come no faster: codes and indexes may be made in the background.
        case settle
        /// Times single queries.
        case query
        /// Times batches.
        case batch
        /// Answers, to be checked.
        case answers
        /// Times a read and a copy of the rows' bytes by one thread or more.
        case memory
        /// Times an upsert of every row into a new store.
        case upsert
        /// Puts every row into a new store on the disk.
        case keep
        /// Times the opening of the store that was kept, and the first query to it.
        case open
        /// Times the reading of the files of the store that was kept.
        case read
    }

    var op: Operation
    /// A NumPy file of float32 rows.
    var rows: String?
    /// A NumPy file of float32 queries.
    var queries: String?
    /// How many of the rows; all unless said otherwise.
    var limit: Int?
    var metric: String?
    var threads: Int?
    /// Whether records have a payload to filter on.
    var payload: Bool?
    /// The first query's number.
    var start: Int?
    var count: Int?
    var size: Int?
    var k: Int?
    /// A filter as text.
    var filter: String?
    var path: String?
}

/// A line of standard output.
struct Reply: Encodable {
    /// Seconds for each thing that was timed, in the operation's order.
    var seconds: [Double]?
    /// Row numbers of the answers, best first.
    var ids: [[Int]]?
    var scores: [[Float]]?
    /// Bytes: of vectors, of files, of memory.
    var bytes: Int?
    /// Bytes of memory that were taken since the rows were loaded.
    var grown: Int?
    /// What there is to say about how it was done.
    var note: String?
    /// What went wrong.
    var error: String?
}

struct Failure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

func seconds(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let elapsed = try clock.measure(body).components
    return Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
}
