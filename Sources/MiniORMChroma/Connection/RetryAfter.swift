#if Chroma
/// What a server asks to wait before a request is repeated (RFC 9110, 10.2.3).
enum RetryAfter {
    private static let longest = 86_400

    /// The pause that a header asks for: seconds, or a date. `nil` where it is neither.
    ///
    /// - Parameter now: Seconds since 1970.
    static func pause(_ header: String, now: Double) -> Duration? {
        if header.utf8.allSatisfy({ (0x30...0x39).contains($0) }), !header.isEmpty {
            return .seconds(min(Int(header) ?? longest, longest))
        }
        guard let date = secondsSince1970(header) else { return nil }
        return .seconds(max(0, min(Double(date) - now, Double(longest))))
    }

    /// A date like `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that servers may send.
    static func secondsSince1970(_ date: String) -> Int? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let parts = date.split(separator: " ").map(String.init)
        guard parts.count == 6, parts[5] == "GMT", let day = Int(parts[1]), (1...31).contains(day),
            let month = months.firstIndex(of: parts[2]), let year = Int(parts[3]), (1970...9999).contains(year)
        else { return nil }
        let time = parts[4].split(separator: ":").compactMap { Int($0) }
        guard time.count == 3, (0..<24).contains(time[0]), (0..<60).contains(time[1]), (0...60).contains(time[2])
        else { return nil }
        // Days from a March to the next, so that the leap day is the last one of its year.
        let march = (month + 10) % 12
        let shifted = month < 2 ? year - 1 : year
        let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (march * 153 + 2) / 5 + day - 1
        return (days - 719_468) * 86_400 + time[0] * 3_600 + time[1] * 60 + time[2]
    }
}
#endif
