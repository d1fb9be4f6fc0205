#if Qdrant
import MiniORM
import SwiftProtobuf
import Testing

@testable import MiniORMQdrant

/// What is written and read by hand, against the generated code.
@Suite struct ProtobufTests {
    private struct Random: RandomNumberGenerator {
        var state: UInt64 = 1
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    private static func value(_ random: inout Random, depth: Int = 0) -> PayloadValue {
        switch Int.random(in: 0..<(depth < 4 ? 7 : 5), using: &random) {
        case 0: return .null
        case 1: return .bool(.random(using: &random))
        case 2: return .int(Int64(bitPattern: random.next() >> UInt64.random(in: 0..<64, using: &random)))
        case 3: return .double(Double.random(in: -1e9...1e9, using: &random))
        case 4: return .string(String(repeating: "ä", count: Int.random(in: 0..<200, using: &random)))
        case 5:
            let count = Int.random(in: 0..<5, using: &random)
            return .array((0..<count).map { _ in value(&random, depth: depth + 1) })
        default:
            let count = Int.random(in: 0..<5, using: &random)
            return .object(
                Dictionary(
                    (0..<count).map { ("key \($0)", value(&random, depth: depth + 1)) }, uniquingKeysWith: { $1 }))
        }
    }

    private static func message(_ value: PayloadValue) -> Qdrant_Value {
        .with {
            switch value {
            case .null, .rich: $0.nullValue = .nullValue
            case .bool(let value): $0.boolValue = value
            case .int(let value): $0.integerValue = value
            case .double(let value): $0.doubleValue = value
            case .string(let value): $0.stringValue = value
            case .array(let values): $0.listValue.values = values.map(message)
            case .object(let members): $0.structValue.fields = members.mapValues(message)
            }
        }
    }

    /// A page of points that another program wrote, with fields that this library does not know.
    private static func page(_ random: inout Random) throws -> (bytes: [UInt8], payloads: [[String: PayloadValue]]) {
        var reply = Qdrant_ScrollResponse()
        var payloads: [[String: PayloadValue]] = []
        for number in 0..<3 {
            let payload = ["a": value(&random), "b": value(&random)]
            payloads.append(payload)
            reply.result.append(
                .with {
                    $0.id.num = UInt64(number)
                    $0.payload = payload.mapValues(message)
                    $0.vectors.vector.dense.data = [1.5, -0.0, Float(number)]
                })
        }
        reply.nextPageOffset.uuid = "6f0c1a52-93de-4c0b-8e57-2d1b7c5a9e40"
        var bytes: [UInt8] = try reply.serializedBytes()
        // Unknown fields of every layout: 100 to 103.
        bytes += [
            0xA0, 0x06, 0x96, 0x01, 0xA9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0xB2, 0x06, 2, 8, 1, 0xBD, 0x06, 1, 2, 3, 4,
        ]
        return (bytes, payloads)
    }

    @Test func pointsOfOthersAreReadAsTheGeneratedCodeWroteThem() throws {
        var random = Random()
        for _ in 0..<200 {
            let (bytes, payloads) = try Self.page(&random)
            let page = try bytes.withUnsafeBytes { try QdrantMethods.scroll.decode($0) }
            #expect(page.next?.uuid == "6f0c1a52-93de-4c0b-8e57-2d1b7c5a9e40")
            #expect(try page.points.map { try $0.recordPayload() } == payloads)
            #expect(page.points.map(\.recordID) == ["0", "1", "2"])
            #expect(page.points.last?.recordVector == [1.5, 0, 2])
        }
    }

    @Test func bytesThatAreNoMessageAreRefusedAndNeverTrap() throws {
        var random = Random()
        let (bytes, _) = try Self.page(&random)
        for length in bytes.indices {
            var cut = Array(bytes[..<length])
            _ = cut.withUnsafeBytes { try? QdrantMethods.scroll.decode($0) }
            for _ in 0..<20 where !cut.isEmpty {
                cut[Int.random(in: cut.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                _ = cut.withUnsafeBytes { try? QdrantMethods.scroll.decode($0) }
            }
        }
        for bytes: [UInt8] in [[0x0A], [0x0A, 5, 1], [0x0B], [0x00], Array(repeating: 0xFF, count: 11)] {
            #expect(throws: ProtobufReader.Malformed.self) {
                try bytes.withUnsafeBytes { try QdrantMethods.query.decode($0) }
            }
        }
    }

    /// Lengths are written in the fewest bytes, as the generated code does.
    @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, 2_097_152])
    func whatIsWrittenIsWhatTheGeneratedCodeWrites(_ length: Int) throws {
        let text = String(repeating: "x", count: length)
        var writer = ProtobufWriter()
        writer.message(1) {
            $0.field(1, "key")
            $0.message(2) { $0.text(4) { $0 += text.utf8 } }
        }
        writer.message(1) {
            $0.field(1, text)
            $0.message(2) { $0.field(3, Int64.min) }
        }
        let read = try Qdrant_Struct(serializedBytes: writer.bytes)
        #expect(read.fields["key"]?.stringValue == text)
        #expect(read.fields[text]?.integerValue == .min)
        let again: [UInt8] = try read.serializedBytes()
        #expect(again.count == writer.count)
    }
}
#endif
