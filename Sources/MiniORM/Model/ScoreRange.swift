extension Float {
    /// A score in single precision: what is beyond a float is the largest one, on every engine.
    package static func score(_ score: Double) -> Float {
        let most = Double(Float.greatestFiniteMagnitude)
        return Float(max(-most, min(most, score)))
    }
}
