import Testing

@testable import MiniORM

/// The table of ids beside a dictionary, with hashes that meet, and that lie at both ends of the table.
@Suite struct IdTableTests {
    typealias Random = InMemoryStoreTests.Random

    private static func hash(_ key: UInt32, _ spread: UInt64) -> UInt64 {
        switch spread {
        case 0: UInt64(key) &* 0x9E37_79B9_7F4A_7C15
        // All in the last slots, and in the first behind these.
        case 1: UInt64(UInt32.max - key % 7)
        default: UInt64(key % 5) << 30
        }
    }

    @Test(arguments: 0..<3 as Range<UInt64>, [10, 400, 3000] as [UInt32])
    func itHasWhatADictionaryHas(spread: UInt64, keys: UInt32) {
        var random = Random(state: spread + UInt64(keys))
        var table = IdTable()
        var model: [UInt32: RowLocation] = [:]
        // Keys that all meet are looked for one by one.
        let keys = spread == 0 ? keys : min(keys, 400)
        for step in 0..<UInt32(keys * 6) {
            let key = UInt32.random(in: 0..<keys, using: &random)
            let hash = Self.hash(key, spread)
            let location = RowLocation(serial: key, row: step)
            func isMeant(_ other: RowLocation) -> Bool { other.serial == key }
            switch Int.random(in: 0..<8, using: &random) {
            case 0...2: #expect(table.update(hash, location, isMeant) == model.updateValue(location, forKey: key))
            case 3:
                #expect(table.findOrInsert(hash, location, isMeant) == model[key])
                if model[key] == nil { model[key] = location }
            case 4...5: #expect(table.remove(hash, isMeant) == model.removeValue(forKey: key))
            case 6: #expect(table.find(hash, isMeant) == model[key])
            default:
                let rows = table.count + Int(keys) / 8
                table.reserve(rows)
                #expect(table.hasRoom(rows))
            }
            #expect(table.count == model.count)
        }
        for key in 0..<keys {
            #expect(table.find(Self.hash(key, spread)) { $0.serial == key } == model[key])
        }
    }
}
