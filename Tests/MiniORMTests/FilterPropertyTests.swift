import MiniORM
import MiniORMConformance
import Testing

/// The contract's section 5, on random trees and payloads.
@Suite struct FilterPropertyTests {
    @Test(arguments: 0..<20 as Range<UInt64>)
    func theSpecificationAgreesWithANaiveEvaluator(_ seed: UInt64) {
        var random = RandomValues(seed: seed)
        let payloads = (0..<60).map { _ in random.payload() }
        for _ in 0..<150 {
            let filter = random.filter(depth: 4, for: payloads)
            for payload in payloads where filter.matches(payload) != NaiveEvaluator.matches(filter, payload) {
                Issue.record("seed \(seed): \(filter) on \(String(describing: payload))")
                return
            }
        }
    }

    /// Every number beside every other, in every comparison.
    @Test func numbersCompareByValueExactly() {
        var numbers = RandomValues.numbers
        for value in [1.5, 0x1p53, 0x1p62, 0x1p63, -0x1p63, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 0] {
            numbers += [value.nextUp, value.nextDown, value, -value].filter(\.isFinite).map { .double($0) }
        }
        for value in [0, 1 << 53, 1 << 62, .max - 1, .min + 1] as [Int64] {
            numbers += [.int(value), .int(value - 1), .int(value + 1)]
        }
        for lhs in numbers {
            for rhs in numbers {
                for comparison in VectorFilter.Comparison.allCases {
                    let filter: VectorFilter = .compare("a", comparison, rhs)
                    #expect(filter.matches(["a": lhs]) == NaiveEvaluator.matches(filter, ["a": lhs]))
                }
            }
        }
    }

    @Test(arguments: 100..<120 as Range<UInt64>)
    func textParsesToTheSameTree(_ seed: UInt64) throws {
        var random = RandomValues(seed: seed)
        for _ in 0..<300 {
            let filter = random.filter(depth: 5)
            let parsed = try VectorFilter(parsing: filter.description)
            #expect(parsed == filter, "seed \(seed): \(filter)")
            // Equal trees can differ in the sign of a zero; equal texts cannot.
            #expect(parsed.description == filter.description)
        }
    }

    @Test(arguments: 200..<210 as Range<UInt64>)
    func noTextTraps(_ seed: UInt64) {
        var random = RandomValues(seed: seed)
        let parts = [
            "a", "`", "\"", "'", "\\", "(", ")", "[", "]", "{", "}", ",", ":", ".", "!", "&&", "||", "==", "<=", "in ",
            "not ", "and", "or(", " ", "\n", "1", "-", "1e", "\\u", "d800", "é", "e\u{301}", "👩‍👧", "\u{0}", "null",
            "true",
        ]
        for _ in 0..<500 {
            var text = Bool.random(using: &random.generator) ? "" : random.filter().description
            for _ in 0..<Int.random(in: 0...12, using: &random.generator) {
                let part = parts.randomElement(using: &random.generator) ?? ""
                let scalars = text.unicodeScalars
                let place = scalars.index(
                    scalars.startIndex, offsetBy: Int.random(in: 0...scalars.count, using: &random.generator))
                text.unicodeScalars.insert(contentsOf: part.unicodeScalars, at: place)
            }
            do throws(VectorStoreError) {
                let filter = try VectorFilter(parsing: text)
                #expect((try? VectorFilter(parsing: filter.description)) == filter, "seed \(seed): \(text)")
            } catch {
                #expect(error.code == .invalidArgument, "seed \(seed): \(text)")
            }
        }
    }
}
