import Engine
import Jobs
import Testing

@Suite struct HostConsoleTests {
    private let time = Timestamp(microseconds: 1_000_000)

    @Test func `lines are numbered, and asked for from a number on or from the end`() {
        let console = HostConsole()
        console.hear("SYSTEM DOWN AT 18:00", at: time)
        console.note("$D", by: "key:abc", answers: ["J00001 EXECUTING", "1 JOB"], at: time)
        #expect(console.lines().map(\.number) == [1, 2, 3, 4])
        #expect(console.lines().map(\.kind) == [.message, .command, .answer, .answer])
        #expect(console.lines().map(\.actor) == [nil, "key:abc", nil, nil])
        #expect(console.lines(after: 2).map(\.text) == ["J00001 EXECUTING", "1 JOB"])
        #expect(console.lines(limit: 1).map(\.text) == ["1 JOB"])
        #expect(console.lines(after: 4).isEmpty)
    }

    @Test func `the oldest are forgotten, and the numbers go on`() {
        let console = HostConsole()
        for number in 1...5000 { console.hear("\(number)", at: time) }
        let kept = console.lines(limit: 5000)
        #expect(kept.count >= HostConsole.mostLines && kept.count <= HostConsole.mostLines + 100)
        #expect(kept.last?.number == 5000)
        #expect(kept.last?.text == "5000")
    }
}
