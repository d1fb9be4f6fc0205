#if Chroma
import Foundation
import MiniORM
import MiniORMChroma
import Testing

/// The server that `scripts/services start chroma` runs; `eval "$(scripts/services env chroma)"` says where.
enum ChromaServer {
    static func url() throws -> String {
        try #require(
            ProcessInfo.processInfo.environment["MINIORM_CHROMA_URL"],
            "scripts/services start chroma, and eval \"$(scripts/services env chroma)\"")
    }

    static func store(_ change: (inout ChromaConfiguration) -> Void = { _ in }) throws -> ChromaVectorStore {
        var configuration = try ChromaConfiguration(url: url())
        change(&configuration)
        return try ChromaVectorStore(configuration)
    }

    /// A request as any other client would send it.
    static func send(_ method: String, _ path: String, _ body: String? = nil) async throws -> (
        status: Int, text: String
    ) {
        let address = try url().replacingOccurrences(of: "chroma://", with: "http://")
        return try await send(
            method, to: address + "/api/v2/tenants/default_tenant/databases/default_database" + path, body)
    }

    /// The same, to any address.
    static func send(_ method: String, to address: String, _ body: String? = nil) async throws -> (
        status: Int, text: String
    ) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["curl", "-s", "-X", method, "-w", "\n%{http_code}", address]
        if let body { process.arguments? += ["-H", "content-type: application/json", "-d", body] }
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return (Int(lines.last ?? "") ?? 0, lines.dropLast().joined(separator: "\n"))
    }
}
#endif
