extension Float {
    /// A value in single precision: what is beyond a float is the largest one. So are scores, on every engine.
    package static func saturated(_ value: Double) -> Float {
        let most = Double(Float.greatestFiniteMagnitude)
        return Float(max(-most, min(most, value)))
    }
}
