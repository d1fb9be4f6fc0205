#if PgVector
import MiniORM
@testable import MiniORMPgVector
import TestSupport
import Testing

/// The contract's section 4: every store returns what it was given. Here without a server.
@Suite struct PayloadTextTests {
    private func text(_ value: PayloadValue) -> String {
        var bytes: [UInt8] = []
        JSONBText.write(value, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func doublesHaveAPointAndNoExponentAboveOne() {
        #expect(text(1) == "1")
        #expect(text(1.0) == "1.0")
        #expect(text(.double(-0.0)) == "0.00")
        #expect(text(.double(0x1p53)) == "9007199254740992.0")
        #expect(text(.double(4_611_686_018_427_388_928)) == "4611686018427388928.0")
        #expect(text(.double(1e20)) == "100000000000000000000.0")
        #expect(text(.double(-1.5e21)) == "-1500000000000000000000.0")
        #expect(text(.double(0.1)) == "0.1")
    }

    @Test func nulIsWrittenSoThatTheOrderOfBytesStays() {
        let strings = [
            "", "\0", "\0\0", "\0\u{1}", "\0a", "\u{1}", "\u{1}\0", "\u{1}\u{2}", "\u{2}", "a", "a\0", "a\u{1}",
        ]
        let stored = strings.map { UTF8Key(JSONBText.stored($0)) }
        #expect(stored == stored.sorted())
        #expect(Set(stored).count == strings.count)
        #expect(stored.allSatisfy { !$0.string.utf8.contains(0) })
    }

    @Test(arguments: [
        "", "\0", "a\0b", "\u{1}", "\u{1}\u{1}\u{2}\0", "quote \" back \\ slash / \n\r\t\u{8}\u{c}\u{1f}\u{7f}", "é",
        "e\u{301}", "👩‍👧\u{10FFFF}",
    ])
    func textIsReadBack(_ string: String) throws {
        var bytes: [UInt8] = [1]
        JSONBText.write([string: .string(string)], to: &bytes)
        let payload = try JSONBReader.payload(bytes, recordID: "r")
        #expect(PayloadValue.object(payload) == .object([string: .string(string)]))
    }

    @Test(arguments: [
        "", "[]", "1", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1}x", "{\"a\":\"", "{\"a\":\"\\u12\"}",
        "{\"a\":nul}",
        "{\"a\":1e999}", String(repeating: "[", count: 100_000),
    ])
    func whatIsNoObjectIsAnErrorThatNamesTheRecord(_ text: String) {
        let error = expect(.payloadDecoding) { _ = try JSONBReader.payload([1] + Array(text.utf8), recordID: "r") }
        #expect(error?.recordID == "r")
    }
}
#endif
