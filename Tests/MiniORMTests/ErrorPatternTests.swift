import MiniORM
import Testing

/// What a pattern of an error's code matches, and what it leaves to others.
@Suite struct ErrorPatternTests {
    /// Somebody else's errors, with members named like codes of ours.
    private struct Other: Error, Equatable {
        private let number: Int
        static let timeout = Self(number: 1)
        static let cancelled = Self(number: 2)
    }

    @Test func aCodeMatchesAnyError() {
        func caught(_ error: any Error) -> String {
            do { throw error } catch VectorStoreError.Code.timeout {
                return "timeout"
            } catch VectorStoreError.Code.cancelled {
                return "cancelled"
            } catch {
                return "another"
            }
        }
        #expect(caught(VectorStoreError(.timeout, "late")) == "timeout")
        #expect(caught(VectorStoreError(.cancelled, "given up")) == "cancelled")
        #expect(caught(VectorStoreError(.backend, "else")) == "another")
        #expect(caught(Other.timeout) == "another")
    }

    @Test func aCodeMatchesWhereTheTypeIsKnown() {
        func caught(_ code: VectorStoreError.Code) -> String {
            do throws(VectorStoreError) { throw VectorStoreError(code, "") } catch .timeout {
                return "timeout"
            } catch VectorStoreError.Code.cancelled {
                return "cancelled"
            } catch {
                return "another"
            }
        }
        #expect(caught(.timeout) == "timeout" && caught(.cancelled) == "cancelled" && caught(.backend) == "another")
    }

    @Test func patternsOfOtherErrorsAreTheirOwn() {
        func name(_ error: Other) -> String {
            switch error {
            case .timeout: "timeout"
            case .cancelled: "cancelled"
            default: "another"
            }
        }
        #expect(name(.timeout) == "timeout" && name(.cancelled) == "cancelled")
        let error: any Error = Other.cancelled
        switch error as? Other {
        case .cancelled?: break
        default: Issue.record("the code of another type was taken for it")
        }
    }
}
