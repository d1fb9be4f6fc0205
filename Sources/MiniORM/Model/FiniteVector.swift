extension [Float] {
    /// Whether no component is infinite or NaN. Looks at every one, without a branch, as nearly every vector is.
    package var isFinite: Bool {
        let exponent = Float.infinity.bitPattern
        var isOne: UInt32 = 0
        for component in self { isOne |= component.bitPattern & exponent == exponent ? 1 : 0 }
        return isOne == 0
    }
}
