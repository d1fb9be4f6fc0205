#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// The program that is running.
enum Executable {
    /// Its path, without links; `nil` where the system does not say.
    static let path: String? = {
        #if canImport(Darwin)
        var size: UInt32 = 4096
        var buffer = [CChar](repeating: 0, count: Int(size))
        guard _NSGetExecutablePath(&buffer, &size) == 0 else { return nil }
        return System.resolved(String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
        #else
        return System.resolved("/proc/self/exe")
        #endif
    }()

    /// The folder that it is in.
    static var folder: String? { path.map { String($0[..<($0.lastIndex(of: "/") ?? $0.startIndex)]) } }

    /// What to type to run it from here: its bare name where the shell finds it, else the shortest path.
    static var command: String {
        guard let path else { return "mini-orm" }
        let folders = (System.environment("PATH") ?? "").split(separator: ":")
        if folders.contains(where: { System.resolved("\($0)/mini-orm") == path }) { return "mini-orm" }
        for near in [".build/release/mini-orm", ".build/debug/mini-orm"] where System.resolved(near) == path {
            return near
        }
        if let here = System.resolved("."), path.hasPrefix(here + "/") { return "./" + path.dropFirst(here.count + 1) }
        return path.shellQuoted
    }
}

extension String {
    /// The string as one word of a shell command.
    var shellQuoted: String {
        let plain = utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                || "_-./:=@%+,".utf8.contains($0)
        }
        if plain, !isEmpty { return self }
        return "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }
}
