import Jobs
import Testing

@Suite struct PrintScanTests {
    static let log = """
                         J E S 2  J O B  L O G  --  S Y S T E M  DEMO  --  N O D E  DEMO

         12.01.07 J00042 ---- MONDAY,    23 NOV 2026 ----
         12.01.07 J00042  IRR010I  USERID RMT1     IS ASSIGNED TO THIS JOB.
         12.01.07 J00042  $HASP373 HELLO    STARTED - INIT 1    - CLASS A - SYS DEMO
         12.01.07 J00042  IEF403I HELLO - STARTED - TIME=12.01.07
        """

    static func scan(_ text: String, pieces: Int = .max) -> PrintScan {
        var scan = PrintScan()
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            scan.append(Array(rest.prefix(pieces)))
            rest = rest.dropFirst(min(pieces, rest.count))
        }
        scan.finish()
        return scan
    }

    struct End: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let outcome: Outcome?
        init(_ line: String, _ outcome: Outcome?) {
            testDescription = line
            self.outcome = outcome
        }
    }

    @Test(arguments: [
        End("12.01.09 J00042  $HASP395 HELLO    ENDED - RC=0004", .completed(4)),
        End("$HASP395 HELLO    ENDED - RC=0000", .completed(0)),
        End("$HASP395 HELLO    ENDED - ABEND=S0C7", .abended("S0C7")),
        End("$HASP395 HELLO    ENDED - ABEND=U0016", .abended("U0016")),
        End("$HASP395 HELLO    ENDED - ABEND=S222", .canceled),
        End("$HASP395 HELLO    ENDED - JCL ERROR", .jclError),
        End("$HASP395 HELLO    ENDED", nil),
        End("$HASP395 HELLO    ENDED - RC=99999999999999999999", nil),
        End("IEF453I HELLO - JOB FAILED - JCL ERROR - TIME=12.01.09", .jclError),
        End("IEFC452I HELLO - JOB NOT RUN - JCL ERROR", .jclError),
        End("IEF450I HELLO S1 - ABEND=S0C7 U0000 REASON=00000000", .abended("S0C7")),
        End("IEF450I HELLO S1 - ABEND=S000 U0016 REASON=00000000", .abended("U0016")),
        End("IEF450I HELLO S1 - ABEND=S222 U0000 REASON=00000000", .canceled),
        End("$HASP890 JOB(HELLO) CANCELLED BEFORE IT RAN", .canceled),
        End(" IEF142I HELLO S1 - STEP WAS EXECUTED - COND CODE 0008", .completed(8)),
        End(" IEF142I HELLO S1 - STEP WAS EXECUTED - COND CODE 99999", nil),
        End("NOTHING OF INTEREST", nil),
        End("$HASP395", nil),
        End("ABEND=", nil),
    ])
    func `the end of a job is read from its messages`(_ end: End) {
        var expected = end.outcome
        expected?.matchedBy = "print-out"
        for pieces in [1, 7, .max] {
            #expect(Self.scan(Self.log + "\n" + end.testDescription, pieces: pieces).outcome == expected)
        }
    }

    @Test func `the job log tells name and number`() {
        let scan = Self.scan(Self.log)
        #expect(scan.name == JobName("HELLO") && scan.number == "J00042" && scan.marker == nil)
    }

    @Test func `the highest step counts, and the first end that is told`() {
        let steps =
            " IEF142I A S1 - STEP WAS EXECUTED - COND CODE 0008\n IEF142I A S2 - STEP WAS EXECUTED - COND CODE 0004"
        #expect(Self.scan(steps).outcome?.returnCode == 8)
        #expect(Self.scan("$HASP395 A ENDED - RC=0000\n$HASP395 A ENDED - RC=0012").outcome?.returnCode == 0)
    }

    @Test func `a marker card is found in the listing behind its statement number`() throws {
        let id = JobID(bits: 0x0123_4567_89AB_CDEF_0123_4567_89AB)
        #expect(Self.scan("        2 //* PORT77 \(id)\n").marker == id)
        #expect(Self.scan("//* PORT77 \(id)").marker == id)
        #expect(Self.scan("//* PORT77 NOTANID").marker == nil)
        #expect(Self.scan("PORT77 \(id)").marker == nil)
        #expect(Self.scan("//* PORT77").marker == nil)
    }

    @Test(arguments: [
        "****A  START  JOB   42  HELLO     SMITH                ROOM        12.01.07 PM 23 NOV 26  PRINTER1  SYS DEMO  JOB   42  START  A****",
        "****A  START  JOB12345  HELLO     SMITH                ROOM",
    ])
    func `a separator page tells name and number`(_ line: String) {
        let separator = Self.scan("\n" + line).separator
        #expect(separator?.name == JobName("HELLO"))
        #expect(separator?.number == (line.contains("12345") ? 12345 : 42))
    }

    @Test func `the end page and pages without a number are no start`() {
        #expect(Self.scan("****A   END   JOB   42  HELLO     SMITH ").separator == nil)
        #expect(Self.scan("****A  START  JOB    X  HELLO     SMITH ").separator == nil)
        #expect(Self.scan("****").separator == nil)
    }

    @Test func `what comes after the first MiB is not looked at, and a long line is no trouble`() {
        var scan = Self.scan(String(repeating: "X", count: 100_000) + "\n" + Self.log)
        #expect(scan.name == JobName("HELLO"))
        scan = PrintScan()
        scan.append([UInt8](repeating: 0x0A, count: PrintScan.mostOctets))
        #expect(scan.isDone)
        scan.append(Array("$HASP395 HELLO ENDED - RC=0000\n".utf8))
        #expect(scan.outcome == nil)
    }

    @Test func `a print-out adds to what the host said, and never says otherwise`() {
        var ended = Outcome(kind: .ok, text: "ENDED")
        var printed = Outcome.completed(8)
        printed.matchedBy = "print-out"
        #expect(ended.told(by: printed) == printed)
        #expect(ended.told(by: nil) == ended)
        #expect(ended.told(by: .abended("S0C7")) == ended)
        ended.returnCode = 0
        #expect(ended.told(by: printed) == ended)
        let failed = Outcome(kind: .abend, text: "did not complete")
        #expect(failed.told(by: .jclError) == .jclError)
        #expect(failed.told(by: .completed(0)) == failed)
        #expect(Outcome.lost("gone").told(by: printed) == .lost("gone"))
        #expect(Outcome.lost("gone").told(by: .abended("S806")) == .abended("S806"))
    }
}
