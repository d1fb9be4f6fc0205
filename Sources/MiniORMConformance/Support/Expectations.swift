import MiniORM

/// What a store did that it should not have done.
struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw Unexpected(message()) }
}

func expectEqual<Value: Equatable>(_ actual: Value, _ expected: Value, _ what: @autoclosure () -> String) throws {
    if actual != expected { throw Unexpected("\(what()): expected \(expected), got \(actual)") }
}

/// Compares ids by their bytes.
func expectIDs(_ actual: [String], _ expected: [String], _ what: @autoclosure () -> String) throws {
    guard actual.map(UTF8Key.init) != expected.map(UTF8Key.init) else { return }
    throw Unexpected("\(what()): expected the ids \(shown(expected)), got \(shown(actual))")
}

/// Expects an error with a code, and returns it.
@discardableResult
func expectError(
    _ codes: VectorStoreError.Code..., what: String, _ body: () async throws -> Void
) async throws -> VectorStoreError {
    let wanted = codes.map(\.rawValue).joined(separator: " or ")
    do { try await body() } catch let error as VectorStoreError {
        if codes.contains(error.code) { return error }
        throw Unexpected("\(what): expected the error \(wanted), got \(error)")
    } catch {
        throw Unexpected("\(what): expected the error \(wanted), got \(type(of: error)), which is no VectorStoreError")
    }
    throw Unexpected("\(what): expected the error \(wanted), and nothing was thrown")
}

/// Compares payloads, and vectors as exactly as the store promises to keep them.
func expectRecord(
    _ actual: VectorRecord?, _ expected: VectorRecord, _ what: String, bits: Bool
) throws {
    guard let actual else { throw Unexpected("\(what): the record \(expected.id.quoted) is missing") }
    try expectIDs([actual.id], [expected.id], what)
    try expectVector(actual.vector, expected.vector, "\(what): the vector of \(expected.id.quoted)", bits: bits)
    try expectPayload(actual.payload, expected.payload, "\(what): the payload of \(expected.id.quoted)")
}

func expectVector(_ actual: [Float]?, _ expected: [Float], _ what: @autoclosure () -> String, bits: Bool) throws {
    let isSame =
        actual?.count == expected.count
        && zip(actual ?? [], expected).allSatisfy { actual, expected in
            if bits { return actual.bitPattern == expected.bitPattern }
            return (actual - expected).magnitude <= 1e-6 * expected.magnitude
        }
    guard !isSame else { return }
    throw Unexpected("\(what()): expected \(shown(expected)), got \(actual.map(shown) ?? "none")")
}

/// Compares payloads by type and value, and doubles by their bits: zero has a sign.
func expectPayload(
    _ actual: [String: PayloadValue]?, _ expected: [String: PayloadValue]?, _ what: @autoclosure () -> String
) throws {
    let isSame =
        switch (actual, expected) {
        case (nil, nil): true
        case (let actual?, let expected?): isSameToTheBit(.object(actual), .object(expected))
        default: false
        }
    guard !isSame else { return }
    throw Unexpected("\(what()): expected \(shown(expected)), got \(shown(actual))")
}

private func isSameToTheBit(_ actual: PayloadValue, _ expected: PayloadValue) -> Bool {
    switch (actual, expected) {
    case (.double(let actual), .double(let expected)): actual.bitPattern == expected.bitPattern
    case (.array(let actual), .array(let expected)):
        actual.count == expected.count && zip(actual, expected).allSatisfy(isSameToTheBit)
    case (.object(let actual), .object(let expected)): PayloadValue.sameMembers(actual, expected, by: isSameToTheBit)
    default: actual == expected
    }
}

private func shown(_ vector: [Float]) -> String {
    let list = vector.prefix(16).map { "\($0)" }.joined(separator: ", ")
    return vector.count > 16 ? "[\(list), and \(vector.count - 16) more]" : "[\(list)]"
}

func shown(_ ids: [String]) -> String {
    let list = ids.prefix(20).map(\.quoted).joined(separator: ", ")
    return ids.count > 20 ? "[\(list), and \(ids.count - 20) more]" : "[\(list)]"
}

func shown(_ payload: [String: PayloadValue]?) -> String {
    guard let payload else { return "none" }
    // A filter's text is the one form that tells 1 from 1.0.
    let text = "\(VectorFilter.compare("payload", .equal, .object(payload)))".dropFirst("payload == ".count)
    return text.unicodeScalars.count > 600 ? "\(text.prefix(600))…" : String(text)
}
