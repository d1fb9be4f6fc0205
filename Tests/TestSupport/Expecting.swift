public import MiniORM
public import Testing

/// Expects an error with a code, and returns it.
@discardableResult
public func expect(
    _ code: VectorStoreError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) -> VectorStoreError? {
    do {
        try body()
        Issue.record("nothing was thrown; expected \(code)", sourceLocation: sourceLocation)
        return nil
    } catch {
        return check(error, code, sourceLocation)
    }
}

/// Expects an error with a code of what suspends, and returns it.
@discardableResult
public func expect(
    _ code: VectorStoreError.Code, isolation: isolated (any Actor)? = #isolation,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async -> VectorStoreError? {
    do {
        try await body()
        Issue.record("nothing was thrown; expected \(code)", sourceLocation: sourceLocation)
        return nil
    } catch {
        return check(error, code, sourceLocation)
    }
}

private func check(
    _ error: any Error, _ code: VectorStoreError.Code, _ sourceLocation: SourceLocation
) -> VectorStoreError? {
    #expect((error as? VectorStoreError)?.code == code, "\(error)", sourceLocation: sourceLocation)
    return error as? VectorStoreError
}
