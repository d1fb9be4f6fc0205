extension Int {
    /// The number with commas between groups of three digits.
    var grouped: String {
        let digits = String(magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return self < 0 ? "-" + text : text
    }

    /// The number with a noun, in the plural where it has to be.
    func of(_ noun: String) -> String { "\(grouped) \(noun)\(self == 1 ? "" : "s")" }
}

extension Double {
    /// The number with a fixed number of digits after the point.
    func fixed(_ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        // Beyond, the digits after the point are no longer known, and the scaled number soon fits no integer.
        guard magnitude * scale < 0x1p53 else { return String(self) }
        let scaled = Int((magnitude * scale).rounded())
        let fraction = String(scaled % Int(scale))
        let sign = self < 0 && scaled > 0 ? "-" : ""
        let padding = String(repeating: "0", count: max(0, digits - fraction.count))
        return digits == 0 ? "\(sign)\(scaled)" : "\(sign)\(scaled / Int(scale)).\(padding)\(fraction)"
    }
}

extension Duration {
    /// The duration in seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }

    /// The duration as a person reads it.
    var readable: String {
        switch seconds {
        case ..<0.001: "\((seconds * 1e6).fixed(0)) µs"
        case ..<1: "\((seconds * 1e3).fixed(seconds < 0.1 ? 1 : 0)) ms"
        case ..<100: "\(seconds.fixed(1)) s"
        default: "\((seconds / 60).fixed(1)) min"
        }
    }
}
