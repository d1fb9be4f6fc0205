extension String {
    /// The string with nothing in it that a terminal obeys or that hides other text: control characters and those
    /// that change the direction of text are shown as escapes.
    var terminalSafe: String {
        guard unicodeScalars.contains(where: \.isUnsafe) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.isUnsafe: text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// How many columns of a terminal the string takes.
    var columns: Int { reduce(0) { $0 + $1.columns } }

    /// The string cut to a number of columns, with an ellipsis where something is missing.
    func fitted(to width: Int) -> String {
        guard columns > width else { return self }
        var text = ""
        var used = 1
        for character in self {
            used += character.columns
            if used > width { break }
            text.append(character)
        }
        return text + "…"
    }
}

extension [UInt8] {
    /// The same JSON, with what a terminal obeys or what hides other text as escapes. Outside of strings JSON has no
    /// such characters, and in them it has no control characters of ASCII but DEL.
    var jsonSafe: [UInt8] {
        // The first bytes of those characters in UTF-8.
        guard contains(where: { $0 == 0x7F || $0 == 0xC2 || $0 == 0xE2 || $0 == 0xEF || $0 == 0xF3 }) else {
            return self
        }
        var bytes: [UInt8] = []
        for scalar in String(decoding: self, as: UTF8.self).unicodeScalars {
            guard scalar.isUnsafe else {
                bytes.append(contentsOf: String(scalar).utf8)
                continue
            }
            for unit in String(scalar).utf16 {
                let digits = String(unit, radix: 16)
                bytes.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8)
            }
        }
        return bytes
    }
}

extension Unicode.Scalar {
    fileprivate var isUnsafe: Bool {
        switch value {
        case 0..<0x20, 0x7F..<0xA0: true
        // Marks that reorder or hide what stands beside them, and separators of lines.
        case 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x2069, 0xFEFF, 0xFFF9...0xFFFB, 0xE0000...0xE007F: true
        default: false
        }
    }
}

extension Character {
    /// 2 for the wide characters of East Asian scripts and for emoji, 0 for marks that stand alone, else 1.
    fileprivate var columns: Int {
        guard let first = unicodeScalars.first else { return 0 }
        switch first.value {
        case 0x0300...0x036F: return 0
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }
}
