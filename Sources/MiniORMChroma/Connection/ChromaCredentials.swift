#if Chroma
/// Who asks. A description never shows the secret.
public struct ChromaCredentials: Sendable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The header that carries it.
    let header: (name: String, value: String)?

    /// Nobody in particular: the server asks for nothing.
    public static let none = ChromaCredentials(header: nil)

    /// A token in `Authorization: Bearer`.
    public static func bearer(_ token: String) -> Self { Self(header: ("Authorization", "Bearer \(token)")) }

    /// A token in `X-Chroma-Token`, as Chroma Cloud has it.
    public static func chromaToken(_ token: String) -> Self { Self(header: ("X-Chroma-Token", token)) }

    /// User and password in `Authorization: Basic`.
    public static func basic(user: String, password: String) -> Self {
        Self(header: ("Authorization", "Basic " + Base64.text(Array("\(user):\(password)".utf8))))
    }

    /// Whether a header can hold them.
    var canBeSent: Bool { header?.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } ?? true }

    /// What kind it is, without the secret.
    public var description: String { header == nil ? "none" : "<hidden>" }
    /// The same as ``description``.
    public var debugDescription: String { description }
    /// Nothing to look into.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
#endif
