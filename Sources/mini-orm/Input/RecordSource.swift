internal import MiniORM

/// Records from files, one after the other.
struct RecordSource {
    /// What is read next.
    enum Item {
        /// A record, and the number and length of the line that it is from.
        case record(VectorRecord, line: Int, bytes: Int)
        /// A line that is no record.
        case rejected(reason: String, line: Int)
    }

    private let lines: LineReader
    private let vectors: NumpyReader?

    /// Records with their vectors, a line each; `-` is standard input.
    init(records path: String) throws {
        lines = try LineReader(path)
        vectors = nil
    }

    /// Rows of a NumPy file, and the ids and payloads of as many lines.
    init(vectors: String, records: String) throws {
        let array = try NumpyReader(vectors)
        lines = try LineReader(records)
        self.vectors = array
        // Standard input is read once, be it a file or not.
        if let size = lines.size, records != "-" {
            // Better said before the first record is written than after the last.
            let counter = try LineReader(records)
            var bar = ProgressBar("counting", counting: "line")
            var count = 0
            while try counter.next() != nil {
                count += 1
                if count % 1024 == 0 { bar.update(count, fraction: Double(counter.offset) / Double(max(1, size))) }
            }
            bar.finish()
            if count != array.header.rows { throw Self.unequal(array, counter.name, "\(count.of("line"))") }
        }
    }

    private static func unequal(_ vectors: NumpyReader, _ records: String, _ lines: String) -> ToolError {
        ToolError(
            "\(vectors.name.terminalSafe) has \(vectors.header.rows.of("row")) and \(records.terminalSafe) has \(lines): "
                + "row i has to belong to line i")
    }

    /// The name of the file of records.
    var name: String { lines.name }

    /// How much has been read, from 0 to 1, where the size is known.
    var fraction: Double? {
        if let vectors { return Double(vectors.row) / Double(max(1, vectors.header.rows)) }
        return lines.size.map { Double(lines.offset) / Double(max(1, $0)) }
    }

    /// The next record or what is wrong with it; `nil` at the end, or when a signal has come.
    func next() throws -> Item? {
        guard let line = try lines.next() else {
            if let vectors, !Interruption.isRequested, vectors.row < vectors.header.rows {
                throw Self.unequal(vectors, lines.name, lines.number.of("line"))
            }
            return nil
        }
        // The row of a line that is refused is passed over with it.
        let vector = try vectors?.next()
        if let vectors, vector == nil {
            if Interruption.isRequested { return nil }
            throw Self.unequal(vectors, lines.name, "more lines")
        }
        guard case .whole(let text) = line else {
            return .rejected(
                reason: "the line is longer than \(LineReader.longestLine >> 20) MB", line: lines.number)
        }
        do throws(VectorStoreError) {
            let record: VectorRecord
            if let vector {
                let (id, payload) = try RecordLine.idAndPayload(text)
                record = VectorRecord(id: id, vector: vector, payload: payload)
            } else {
                record = try RecordLine.record(text)
            }
            return .record(record, line: lines.number, bytes: text.count)
        } catch {
            return .rejected(reason: Self.reason(error), line: lines.number)
        }
    }

    /// What is wrong with a line, the number of which is said already: that of the line in its JSON is always 1.
    private static func reason(_ error: VectorStoreError) -> String {
        let text = error.message.singleLine
        let prefix = "JSON, line 1, "
        return text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text
    }
}
