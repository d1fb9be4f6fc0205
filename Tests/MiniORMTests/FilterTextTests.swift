import MiniORM
import TestSupport
import Testing

/// The contract's section 5: one text syntax, which parses to the same tree.
@Suite struct FilterTextTests {
    @Test(
        arguments: [
            (#"pos == "verb" && links >= 5"#, .field("pos") == "verb" && .field("links") >= 5),
            ("a != 1 and b < 2 and c <= 3", .and([.field("a") != 1, .field("b") < 2, .field("c") <= 3])),
            ("a > 1 || b >= 2 or c == 3", .or([.field("a") > 1, .field("b") >= 2, .field("c") == 3])),
            (
                "a == 1 || b == 2 && !c == 3",
                .or([.field("a") == 1, .and([.field("b") == 2, .not(.field("c") == 3)])])
            ),
            ("(a == 1 || b == 2) && c == 3", .and([.or([.field("a") == 1, .field("b") == 2]), .field("c") == 3])),
            ("((a == 1))", .field("a") == 1),
            ("not not (a exists)", .not(.not(.exists("a")))),
            (
                #"a in [1, 1.0, "x", 'y', null, true, [], {}]"#,
                .field("a").in([1, 1.0, "x", "y", nil, true, [], [:]])
            ),
            ("a not in [1]", .not(.isIn("a", [1]))),
            (#"words contains "run""#, .contains("words", "run")),
            ("words contains {'a': [1, {'b': null}]}", .contains("words", ["a": [1, ["b": nil]]])),
            ("topic exists", .exists("topic")),
            ("a.b.c == 1", .compare(FieldPath(parts: ["a", "b", "c"]), .equal, 1)),
            ("`a.b`.c == 1", .compare(FieldPath(parts: ["a.b", "c"]), .equal, 1)),
            ("``.`in` == 1", .compare(FieldPath(parts: ["", "in"]), .equal, 1)),
            (#"`a\`\\\n` == 1"#, .compare(FieldPath(parts: ["a`\\\n"]), .equal, 1)),
            (#"a == "é\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t""#, .field("a") == "éé😀\"\\/\u{8}\u{c}\n\r\t"),
            ("a == -1", .field("a") == -1),
            ("a==-9223372036854775808", .field("a") == .int(.min)),
            ("a == 9223372036854775807", .field("a") == .int(.max)),
            ("a == 1e2", .field("a") == 100.0),
            ("a == 2.5E-1", .field("a") == 0.25),
            ("true", .and([])),
            ("false", .or([])),
            ("and(a exists)", .and([.exists("a")])),
            ("or(a exists, and(true, false))", .or([.exists("a"), .and([.and([]), .or([])])])),
            ("\n\t a\n exists \r\n", .exists("a")),
        ] as [(String, VectorFilter)])
    func textParsesToTheTree(_ text: String, _ tree: VectorFilter) throws {
        #expect(try VectorFilter(parsing: text) == tree)
        #expect(try VectorFilter(parsing: tree.description) == tree)
    }

    @Test(arguments: [
        ("", "column 1: expected a field, found the end"),
        ("   ", "column 4: expected a field, found the end"),
        ("links", "column 6: expected ==, !=, <, <=, >, >=, in, not in, contains or exists, found the end"),
        ("links = 5", "column 7: expected =="),
        ("pos == verb", #"column 8: expected a value, found "verb"; a text goes in quotes"#),
        ("pos == 'verb' links >= 5", #"column 15: expected && or || or the end, found "links""#),
        ("(a exists", #"column 10: expected && or || or ")", found the end"#),
        ("a exists)", #"column 9: expected && or || or the end, found ")""#),
        ("and(a exists", #"expected && or || or "," or ")", found the end"#),
        ("a in 5", "column 6: expected a list in brackets"),
        ("a in [1, 2", #"column 11: expected "," or "]", found the end"#),
        ("a in [1,]", "column 9: expected a value"),
        ("a == {1: 2}", "column 7: expected a key in quotes"),
        ("a == {'x': 1, 'x': 2}", "column 15: the key is there twice"),
        ("a == 'x", "column 6: the quote is never closed"),
        (#"a == "\x""#, "column 8: there is no such escape"),
        (#"a == "\ud800""#, "column 8: half a surrogate pair is no character"),
        (#"a == "\u12g4""#, "column 11: expected four hexadecimal digits"),
        ("a == 9223372036854775808", "column 6: the integer does not fit 64 bits"),
        ("a == 1e999", "column 6: the number does not fit a double"),
        ("a == 01", "column 6: a number has no leading zero"),
        ("a == 1.", "column 8: expected a digit"),
        ("a == -", "column 7: expected a digit"),
        ("a == NaN", "column 6: expected a value"),
        ("in == 1", "column 1: expected a field; in is a word of the syntax"),
        ("a. == 1", "column 4: expected a key after the dot"),
        ("my-field == 1", "column 3: expected =="),
        ("größe == 1", "column 3: expected =="),
        ("a not contains 1", "column 7: expected in after not"),
        ("a exists &&", "column 12: expected a field, found the end"),
        ("a exists\n&& b ==", "line 2, column 8: expected a value, found the end"),
        ("5 <= a", "column 1: expected a field"),
        ("a == 'é' x", "column 10: expected && or || or the end"),
    ])
    func anErrorPointsAtTheColumn(_ text: String, _ part: String) {
        let error = expect(.invalidArgument) { _ = try VectorFilter(parsing: text) }
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "nothing")")
    }

    @Test func anErrorHasAMarkBelowTheColumn() {
        let error = expect(.invalidArgument) { _ = try VectorFilter(parsing: "pos == 'é' &&\n links = 5 && a exists") }
        #expect(
            error?.message == """
                the filter's line 2, column 8: expected ==, !=, <, <=, >, >=, in, not in, contains or exists, found "="
                   links = 5 && a exists
                         ^
                """)
        let long = String(repeating: "a exists && ", count: 1000)
        let far = expect(.invalidArgument) { _ = try VectorFilter(parsing: long + "\u{1b}[2J") }
        #expect(far.map { $0.message.utf8.count < 300 && !$0.message.contains("\u{1b}") } == true)
    }

    @Test func aLongChainIsFine() throws {
        let chain = try VectorFilter(parsing: String(repeating: "a == 1 && ", count: 100_000) + "a == 1")
        guard case .and(let terms) = chain else { return #expect(Bool(false)) }
        #expect(terms.count == 100_001)
        #expect(chain.matches(["a": 1]))
        #expect(try VectorFilter(parsing: chain.description) == chain)
    }

    @Test(arguments: ["(", "!", "not ", "and(", "or(a exists || (", "a == [", "a == {'a':", "a in ["])
    func noDepthOfTextExhaustsTheStack(_ opening: String) {
        expect(.invalidArgument) { _ = try VectorFilter(parsing: String(repeating: opening, count: 200_000)) }
    }

    @Test func whatARepositoryTakesCanBeWrittenDown() throws {
        var negated: VectorFilter = .exists("a")
        var single = negated
        var mixed = negated
        var value: PayloadValue = 1
        for level in 0..<RepositoryLimits.filterDepth {
            negated = .not(negated)
            single = .and([single])
            mixed = level.isMultiple(of: 2) ? .not(.or([mixed, .exists("b")])) : .and([mixed])
        }
        for _ in 0..<RepositoryLimits.payloadDepth { value = [value] }
        for tree in [negated, single, mixed, .compare("a", .equal, value)] {
            #expect(try VectorFilter(parsing: tree.description) == tree)
        }
    }

    @Test func whatHasNoFormInTextDoesNotParse() {
        for value: PayloadValue in [.double(.nan), .double(.infinity), .rich(.timeOfDay("12:00"))] {
            let filter: VectorFilter = .compare("a", .equal, value)
            expect(.invalidArgument) { _ = try VectorFilter(parsing: filter.description) }
        }
    }
}
