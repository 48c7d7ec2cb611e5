import Jobs
import Testing

@Suite struct TraceContextTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let span = "00f067aa0ba902b7"

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let parent: String
        /// nil: not valid.
        let isSampled: Bool?
    }

    @Test(arguments: [
        Row(testDescription: "sampled", parent: "00-\(trace)-\(span)-01", isSampled: true),
        Row(testDescription: "not sampled", parent: "00-\(trace)-\(span)-00", isSampled: false),
        Row(testDescription: "flags nobody knows", parent: "00-\(trace)-\(span)-f8", isSampled: false),
        Row(testDescription: "a later version", parent: "01-\(trace)-\(span)-01", isSampled: true),
        Row(testDescription: "a later version with more", parent: "cc-\(trace)-\(span)-01-what", isSampled: true),
        Row(testDescription: "a later version with a tail", parent: "cc-\(trace)-\(span)-01.what", isSampled: nil),
        Row(testDescription: "this version with more", parent: "00-\(trace)-\(span)-01-what", isSampled: nil),
        Row(testDescription: "version ff", parent: "ff-\(trace)-\(span)-01", isSampled: nil),
        Row(testDescription: "upper case", parent: "00-\(trace.uppercased())-\(span)-01", isSampled: nil),
        Row(testDescription: "no trace", parent: "00-\(String(repeating: "0", count: 32))-\(span)-01", isSampled: nil),
        Row(testDescription: "no span", parent: "00-\(trace)-0000000000000000-01", isSampled: nil),
        Row(testDescription: "short", parent: "00-\(trace)-\(span)-0", isSampled: nil),
        Row(testDescription: "another letter", parent: "00-\(trace.dropLast())g-\(span)-01", isSampled: nil),
        Row(testDescription: "two of them", parent: "00-\(trace)-\(span)-01, 00-\(trace)-\(span)-01", isSampled: nil),
        Row(testDescription: "nothing", parent: "", isSampled: nil),
        Row(testDescription: "no ASCII", parent: "00-\(trace)-\(span)-0é", isSampled: nil),
    ])
    func parent(_ row: Row) {
        let context = TraceContext(parent: row.parent)
        #expect(context?.isSampled == row.isSampled)
        if let context, let isSampled = row.isSampled {
            #expect(context.parent == "00-\(Self.trace)-\(Self.span)-\(isSampled ? "01" : "00")")
        }
    }

    @Test(
        arguments: [
            ("a=1", "a=1"), ("a=1 , b@c/d*_-=x y", "a=1,b@c/d*_-=x y"), ("a=1,,b=2,", "a=1,b=2"), ("", nil),
            ("A=1", nil),
            ("a=1,a=2", nil), ("a", nil), ("a=", nil), ("a=b=c", nil), ("a=\u{7}", nil),
        ] as [(String, String?)])
    func `state is forwarded when it is valid`(_ given: String, _ kept: String?) {
        #expect(TraceContext(parent: "00-\(Self.trace)-\(Self.span)-01", state: given)?.state == kept)
    }

    @Test func `thirty-two members are taken, one more is not; a long state loses its end`() {
        func state(_ count: Int, _ value: String) -> String? {
            let members = (0..<count).map { "k\($0)=\(value)" }.joined(separator: ",")
            return TraceContext(parent: "00-\(Self.trace)-\(Self.span)-01", state: members)?.state
        }
        #expect(state(32, "v")?.split(separator: ",").count == 32)
        #expect(state(33, "v") == nil)
        let long = state(20, String(repeating: "x", count: 100)) ?? ""
        #expect((512...1024).contains(long.utf8.count))
        #expect(long.hasPrefix("k0=") && !long.hasSuffix(","))
    }

    @Test func `a step keeps the trace and has an ID of its own`() throws {
        let first = TraceContext.begun()
        let next = first.next()
        #expect(next.traceID == first.traceID && next.spanID != first.spanID)
        #expect(TraceContext(parent: next.parent) == next)
        #expect(TraceContext.begun().traceID != first.traceID)
    }
}

@Suite struct FrameLogTests {
    private static let log: FrameLog = {
        var log = FrameLog()
        let time = Timestamp(microseconds: 1_763_870_400_000_000)
        log.first = [
            Frame(at: time, .out, octets: 11, "USER RMT1".utf8),
            Frame(
                at: time.advanced(by: .milliseconds(3)), .in, on: .output, octets: 70_000, [1, 2, 255], isData: true),
        ]
        log.omittedFrames = 200
        log.omittedOctets = 1 << 40
        log.last = [Frame(at: time.advanced(by: .seconds(2)), .out, on: .reader, octets: 0, [])]
        return log
    }()

    @Test func `what is stored is read again`() {
        #expect(FrameLog(encoded: Self.log.encoded) == Self.log)
        #expect(FrameLog(encoded: FrameLog().encoded) == FrameLog())
    }

    @Test func `what is cut or changed is refused or is another log, and nothing traps`() {
        let octets = Self.log.encoded
        for end in 0..<octets.count { #expect(FrameLog(encoded: Array(octets[..<end])) == nil, "cut at \(end)") }
        #expect(FrameLog(encoded: octets + [0]) == nil)
        for place in octets.indices {
            for value in [0, 0x7F, 0x80, 0xFF] as [UInt8] {
                var changed = octets
                changed[place] = value
                _ = FrameLog(encoded: changed)
            }
        }
        #expect(FrameLog(encoded: [1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]) == nil)
    }

    @Test func `a frame keeps the beginning of what is long`() {
        let time = Timestamp(microseconds: 0)
        let octets = [UInt8](repeating: 0x41, count: 5000)
        #expect(Frame(at: time, .in, octets: 5000, octets).bytes.count == Frame.mostText)
        #expect(Frame(at: time, .in, octets: 5000, octets, isData: true).bytes.count == Frame.mostData)
    }
}
