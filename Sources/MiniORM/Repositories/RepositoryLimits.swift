/// Bounds that keep hostile input from exhausting the stack. Every repository checks them, whatever the engine.
public enum RepositoryLimits {
    /// How deep arrays and objects of a payload may be nested.
    public static let payloadDepth = 64
    /// How deep a filter may be nested. (`&&` and `||` of many terms are one level.)
    public static let filterDepth = 64
}
