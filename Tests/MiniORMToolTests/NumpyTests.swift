import Foundation
import Testing

/// NumPy files: what is read, and that anything else is one clear line.
@Suite struct NumpyTests {
    let scratch: Scratch
    let store: String

    init() throws {
        scratch = try Scratch()
        store = try scratch.threeRecords()
    }

    private func query(_ bytes: [UInt8]) throws -> Tool.Outcome {
        let file = try scratch.write("q.npy", bytes)
        return try Tool.run("query", "--store", store, "--collection", "three", "--vectors", file, "--json")
    }

    @Test func oneAxisIsOneVector() throws {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
        #expect(try query(Numpy.file(header: header, body: [0, 0, 0x80, 0x3F, 0, 0, 0, 0])).lines.count == 1)
        #expect(try query(Numpy.file([])).status == 1)
        let none = "{\"shape\":(0, 2),\"fortran_order\":False,\"descr\":\"<f4\"}"
        #expect(try query(Numpy.file(header: none)).status == 0)
    }

    @Test(arguments: [
        ("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2), }", "float32 or float64"),
        ("{'descr': '<f2', 'fortran_order': False, 'shape': (1, 2), }", "float32 or float64"),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2), }", "float32 or float64"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1, 2), }", "float32 or float64"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 2), }", "header"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", "Fortran"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }", "axes"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "axes"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }", "header"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 0), }", "components"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 4611686018427387904), }", "components"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 2), }", "shape"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2), }", "header"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 2), }", "should hold"),
        ("{'descr': '<f4', 'fortran_order': False, }", "header"), ("{'descr': '<f4'", "header"), ("", "header"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), } import os", "header"),
        ("{'descr': '<f4', 'fortran_order': 0, 'shape': (1, 2), }", "header"),
        ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", "header"),
        ("{'descr': '\u{1B}[2J', 'fortran_order': False, 'shape': (1, 2), }", "float32 or float64"),
    ])
    func aHostileHeaderIsOneLine(_ header: String, _ hint: String) throws {
        let outcome = try query(Numpy.file(header: header, body: [UInt8](repeating: 0, count: 8)))
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains(hint), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
        #expect(!outcome.errors.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
    }

    @Test func aFileThatIsCutAnywhereIsOneLine() throws {
        let whole = Numpy.file([[1, 0], [0, 1]])
        for length in stride(from: 0, to: whole.count, by: 7) {
            let outcome = try query(Array(whole.prefix(length)))
            #expect(outcome.status == 1)
            #expect(outcome.errors.split(separator: "\n").count == 1)
        }
        #expect(try query(whole + [0]).status == 1)
        #expect(try query(Numpy.file(header: "{}", version: 3)).errors.contains("version 3"))
        #expect(try query([0x93] + Array("NUMPY".utf8) + [2, 0, 0xFF, 0xFF, 0xFF, 0xFF]).errors.contains("header"))
    }

    @Test func vectorsOfAnotherLengthAndNotANumberAreNamed() throws {
        #expect(try query(Numpy.file([[1, 0, 0]])).errors.contains("3 components"))
        let rows: [[Float]] = (0..<70).map { $0 == 66 ? [1, .nan] : [1, 0] }
        let outcome = try query(Numpy.file(rows))
        #expect(outcome.status == 1)
        #expect(
            outcome.errors.hasSuffix("q.npy, row 66 (the first is 0): component 1 of the query vector is not finite\n"))
        #expect(outcome.lines.count == 66)
        #expect(outcome.lines.last?.hasPrefix(#"{"query": 65, "hits": [{"id": "a", "#) == true)
    }
}
