/// The names of the files in a store's directory.
struct DirectoryFiles: Sendable {
    let path: String

    var lock: String { path + "/lock" }
    var manifest: String { path + "/manifest" }
    /// A manifest in the making.
    var draft: String { path + "/manifest.new" }
    /// Bytes that were cut from the log when the directory was opened.
    func cut(_ number: UInt64) -> String { "\(path)/cut-\(number)" }
    func log(_ number: UInt64) -> String { WriteLog.path(path, number) }
    func data(_ number: UInt64) -> String { "\(path)/data-\(number)" }

    /// The number of a log file, from its name.
    static func logNumber(_ name: String) -> UInt64? { number(name, "log-") }
    /// The number of a data file, from its name.
    static func dataNumber(_ name: String) -> UInt64? { number(name, "data-") }

    /// The number of a file of cut bytes, from its name.
    static func cutNumber(_ name: String) -> UInt64? { number(name, "cut-") }

    private static func number(_ name: String, _ prefix: String) -> UInt64? {
        guard name.hasPrefix(prefix), let number = UInt64(name.dropFirst(prefix.count)), name == "\(prefix)\(number)",
            number < LogHeader.numberLimit
        else { return nil }
        return number
    }
}

/// The error of a directory that cannot be read as it is.
func corrupted(_ path: String, _ what: String, _ collection: String? = nil) -> VectorStoreError {
    VectorStoreError(
        .corruptedStorage, "\(path.quoted): \(what); InMemoryVectorStore.recover(at:to:) saves what can be saved",
        store: "memory", collection: collection)
}
