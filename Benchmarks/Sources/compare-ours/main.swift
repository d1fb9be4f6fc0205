// The embedded store's side of `compare`, which starts this program and tells it on standard input what to do.
// A command is a line of JSON, and so is the reply to it; the program ends with its input.
import Foundation

let contestant = Contestant()
let decoder = JSONDecoder()
let encoder = JSONEncoder()
while let line = readLine() {
    var reply: Reply
    do {
        reply = try contestant.reply(to: decoder.decode(Command.self, from: Data(line.utf8)))
    } catch {
        reply = Reply(error: "\(error)")
    }
    var output = try encoder.encode(reply)
    output.append(UInt8(ascii: "\n"))
    FileHandle.standardOutput.write(output)
}
