/// What the demo says to type next.
struct NextSteps {
    /// How the program is run from here.
    let program: String
    /// Where the records are.
    let url: StoreURL
    /// Whether they are still there.
    let lasts: Bool
    /// The collection that they are in.
    let collection: String

    /// Commands that work as they stand (those lines begin with two spaces), and how a program begins.
    ///
    /// - Parameter id: A record that has neighbours.
    func lines(like id: String) -> [String] {
        let place = "-c \(collection.shellQuoted)"
        var lines: [String] = []
        if lasts {
            lines += ["The records are in \(url). Ask on:", ""]
        } else {
            lines += ["These records were in memory and are gone. To keep them and ask on:", ""]
            let place = collection == DemoCommand.defaultCollection ? "" : " \(place)"
            lines.append("  \(program) demo --store file:words.db\(place)")
        }
        // In the environment, so that the commands are short, and what is secret stays out of them.
        let store = lasts ? url.description.shellQuoted : "file:words.db"
        let isIncomplete = lasts && url.isDescribedInPart
        lines.append("  export MINIORM_STORE=\(store)\(isIncomplete ? "  # add user, password, options" : "")")
        for command in [
            "query \(place) --like \(id) --top-k 5",
            "query \(place) --like \(id) --json \\\n      --filter 'pos == \"verb\" && links >= 5'",
            "count \(place) --filter 'pos == \"verb\"'", "export \(place) words.jsonl", "--help",
        ] {
            lines.append("  \(program) \(command)")
        }
        return lines + ["", "From a program, with the searches above (see the README):", ""] + swift(id)
    }

    /// How a program opens the collection. Other stores than the embedded one are in products of their own.
    private func swift(_ id: String) -> [String] {
        let name = "\"\(collection.terminalSafe)\", dimension: 384"
        guard !lasts || url.scheme == "file" else {
            return ["let words = try await AsyncVectorRepository(store, \(name))"]
        }
        let path = lasts ? url.path.terminalSafe : "words.db"
        return [
            "let store = try InMemoryVectorStore(at: \"\(path)\")",
            "let words = try VectorRepository(store, \(name))",
            "let eel = try words.fetch([\"\(id)\"])[0]",
        ]
    }
}
