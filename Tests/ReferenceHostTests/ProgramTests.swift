import ReferenceHost
import TestKit
import Testing

@Suite struct ProgramTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let deck: String
        let outcome: JobEnd.Outcome
        /// DD names and what they hold.
        var output: [String: String] = [:]
        /// Words of the job log or the messages.
        var says: [String] = []
    }

    @Test(arguments: [
        Row(testDescription: "IEFBR14 does nothing", deck: "//S EXEC PGM=IEFBR14", outcome: .done(0)),
        Row(testDescription: "RC returns its parameter", deck: "//S EXEC PGM=RC,PARM=12", outcome: .done(12)),
        Row(testDescription: "RC wants a number", deck: "//S EXEC PGM=RC,PARM=X", outcome: .done(12), says: ["RC001E"]),
        Row(
            testDescription: "ABEND with a system code", deck: "//S EXEC PGM=ABEND,PARM=S0C7",
            outcome: .abend(.system("0C7")),
            says: ["IEF450I A S - ABEND=S0C7 U0000", "IEF472I A S - COMPLETION CODE - SYSTEM=0C7 USER=0000"]),
        Row(
            testDescription: "ABEND with a user code", deck: "//S EXEC PGM=ABEND,PARM=U0016",
            outcome: .abend(.user(16)),
            says: ["ABEND=S000 U0016"]),
        Row(
            testDescription: "a program that is not there", deck: "//S EXEC PGM=PAYROLL",
            outcome: .abend(.system("806")),
            says: ["CSV003I REQUESTED MODULE PAYROLL  NOT FOUND"]),
        Row(
            testDescription: "a data set that is not there",
            deck: "//S EXEC PGM=IEFBR14\n//D DD DSN=SYS1.PARMLIB,DISP=SHR",
            outcome: .jclError, says: ["IEF212I A S D - DATA SET NOT FOUND", "IEF453I A - JOB FAILED - JCL ERROR"]),
        Row(
            testDescription: "the highest return code counts", deck: "//S EXEC PGM=RC,PARM=8\n//T EXEC PGM=RC,PARM=4",
            outcome: .done(8)),
        Row(
            testDescription: "COND bypasses a step",
            deck: "//S EXEC PGM=RC,PARM=8\n//T EXEC PGM=RC,PARM=16,COND=(4,LT)",
            outcome: .done(8), says: ["IEF202I A T - STEP WAS NOT RUN BECAUSE OF CONDITION CODES"]),
        Row(
            testDescription: "COND of a named step",
            deck: "//S EXEC PGM=RC,PARM=8\n//T EXEC PGM=RC\n//U EXEC PGM=RC,PARM=16,COND=(8,EQ,T)",
            outcome: .done(16)),
        Row(
            testDescription: "after an abend steps are not run",
            deck: "//S EXEC PGM=ABEND,PARM=U1\n//T EXEC PGM=LINES,PARM=1",
            outcome: .abend(.user(1)), says: ["IEF272I A T - STEP WAS NOT EXECUTED."]),
        Row(
            testDescription: "but for EVEN and ONLY",
            deck:
                "//S EXEC PGM=ABEND,PARM=U1\n//T EXEC PGM=ECHO,COND=EVEN\nT\n//U EXEC PGM=IEBGENER,COND=ONLY\n//SYSUT1 DD *\nU\n//SYSUT2 DD SYSOUT=*",
            outcome: .abend(.user(1)), output: ["SYSPRINT": " T\n", "SYSUT2": " U\n"]),
        Row(
            testDescription: "ONLY does not run without abend",
            deck: "//S EXEC PGM=IEFBR14\n//T EXEC PGM=RC,PARM=4,COND=ONLY",
            outcome: .done(0)),
        Row(
            testDescription: "IEBGENER punches",
            deck: "//S EXEC PGM=IEBGENER\n//SYSUT1 DD *\nCARD\n/*\n//SYSUT2 DD SYSOUT=B",
            outcome: .done(0), output: ["SYSUT2": "CARD" + String(repeating: " ", count: 76)]),
        Row(
            testDescription: "IEBGENER without input", deck: "//S EXEC PGM=IEBGENER\n//SYSUT2 DD SYSOUT=A",
            outcome: .done(12),
            says: ["IEC130I SYSUT1   DD STATEMENT MISSING"]),
        Row(
            testDescription: "SORT by two fields",
            deck:
                "//S EXEC PGM=SORT\n//SORTIN DD *\nB 2\nA 1\nB 1\nA 3\n/*\n//SORTOUT DD SYSOUT=A\n//SYSIN DD *\n SORT FIELDS=(1,1,CH,D,3,1,CH,A)",
            outcome: .done(0), output: ["SORTOUT": " B 1\n B 2\n A 1\n A 3\n"]),
        Row(
            testDescription: "SORT keeps equal records in order",
            deck:
                "//S EXEC PGM=SORT\n//SORTIN DD *\nB2\nA1\nB1\n/*\n//SORTOUT DD SYSOUT=A\n//SYSIN DD *\n  SORT FIELDS=(1,1,\n    CH,A)",
            outcome: .done(0), output: ["SORTOUT": " A1\n B2\n B1\n"]),
        Row(
            testDescription: "SORT copies",
            deck:
                "//S EXEC PGM=SORT\n//SORTIN DD *\nB\nA\n/*\n//SORTOUT DD SYSOUT=A\n//SYSIN DD *\n OPTION COPY\n SORT FIELDS=COPY",
            outcome: .done(0), output: ["SORTOUT": " B\n A\n"]),
        Row(
            testDescription: "SORT without statement",
            deck: "//S EXEC PGM=SORT\n//SORTIN DD *\nB\n/*\n//SORTOUT DD SYSOUT=A\n//SYSIN DD DUMMY",
            outcome: .done(16),
            output: [
                "SYSOUT":
                    "1ICE143I 0 BLOCKSET     SORT  TECHNIQUE SELECTED\n ICE000I 0 - CONTROL STATEMENTS FOR PORT77 SORT\n ICE010A 0 NO SORT OR MERGE CONTROL STATEMENT\n ICE751I 0 END OF JOB BY A CONTROL STATEMENT ERROR\n"
            ]),
        Row(
            testDescription: "SORT with a format it lacks",
            deck: "//S EXEC PGM=SORT\n//SORTIN DD DUMMY\n//SORTOUT DD DUMMY\n//SYSIN DD *\n SORT FIELDS=(1,4,PD,A)",
            outcome: .done(16)),
        Row(
            testDescription: "steps pass a temporary data set",
            deck:
                "//S EXEC PGM=SORT\n//SORTIN DD *\nB\nA\n/*\n//SORTOUT DD DSN=&&T,DISP=(,PASS)\n//SYSIN DD *\n SORT FIELDS=(1,1,CH,A)\n//T EXEC PGM=IEBGENER\n//SYSUT1 DD DSN=&&T,DISP=OLD\n//SYSUT2 DD SYSOUT=A",
            outcome: .done(0), output: ["SYSUT2": " A\n B\n"]),
        Row(
            testDescription: "PRINT in characters",
            deck:
                "//S EXEC PGM=IDCAMS\n//SYSPRINT DD SYSOUT=*\n//IN DD *\nONE\nTWO\n/*\n//SYSIN DD *\n PRINT INFILE(IN) -\n  CHARACTER",
            outcome: .done(0),
            output: [
                "SYSPRINT": """
                1IDCAMS  SYSTEM SERVICES                                                    TIME: 01:02:03        11/23/26     PAGE      1
                0 PRINT INFILE(IN) -
                   CHARACTER
                0LISTING OF DATA SET -IN
                0RECORD SEQUENCE NUMBER - 1
                 ONE
                0RECORD SEQUENCE NUMBER - 2
                 TWO
                0IDC0005I NUMBER OF RECORDS PROCESSED WAS 2
                0IDC0001I FUNCTION COMPLETED, HIGHEST CONDITION CODE WAS 0
                0IDC0002I IDCAMS PROCESSING COMPLETE. MAXIMUM CONDITION CODE WAS 0

                """
            ]),
        Row(
            testDescription: "PRINT in hex of a part",
            deck:
                "//S EXEC PGM=IDCAMS\n//SYSPRINT DD SYSOUT=*\n//IN DD *\nONE\nTWO\n/*\n//SYSIN DD *\n PRINT IFILE(IN) HEX SKIP(1) COUNT(1)",
            outcome: .done(0),
            output: [
                "SYSPRINT": """
                1IDCAMS  SYSTEM SERVICES                                                    TIME: 01:02:03        11/23/26     PAGE      1
                0 PRINT IFILE(IN) HEX SKIP(1) COUNT(1)
                0LISTING OF DATA SET -IN
                0RECORD SEQUENCE NUMBER - 2
                 54574F
                0IDC0005I NUMBER OF RECORDS PROCESSED WAS 1
                0IDC0001I FUNCTION COMPLETED, HIGHEST CONDITION CODE WAS 0
                0IDC0002I IDCAMS PROCESSING COMPLETE. MAXIMUM CONDITION CODE WAS 0

                """
            ]),
        Row(
            testDescription: "IDCAMS does not know DELETE",
            deck: "//S EXEC PGM=IDCAMS\n//SYSPRINT DD SYSOUT=*\n//SYSIN DD *\n DELETE SYS1.LINKLIB", outcome: .done(12)),
        Row(
            testDescription: "ECHO prints concatenated data",
            deck: "//S EXEC PGM=ECHO\n//SYSPRINT DD SYSOUT=*\n//SYSIN DD *\nONE\n/*\n// DD DATA\n//TWO\n/*",
            outcome: .done(0),
            output: ["SYSPRINT": " ONE\n //TWO\n"]),
        Row(
            testDescription: "TYPRUN=SCAN runs nothing", deck: "//S EXEC PGM=ABEND,PARM=U1", outcome: .done(0),
            says: ["JCL SCAN"]),
    ])
    func program(_ row: Row) async throws {
        let card = row.testDescription.hasPrefix("TYPRUN") ? "//A JOB (1),X,TYPRUN=SCAN\n" : "//A JOB\n"
        let job = try await ran(card + row.deck + "\n")
        #expect(job.report.end?.outcome == row.outcome)
        for (ddName, text) in row.output { #expect(job.text(ddName) == text) }
        let said = (job.text("JESMSGLG") ?? "") + (job.text("JESYSMSG") ?? "")
        for words in row.says { #expect(said.contains(words)) }
    }

    @Test func `WAIT waits for its time, fractions included`() async throws {
        let clock = ManualClock()
        try await withBatch(BatchSystem(BatchSettings(), time: .fixed(clock))) { batch in
            let job = try await batch.accept("//A JOB\n//S EXEC PGM=WAIT,PARM='2.5'\n").number.description
            _ = await batch.reached([.running], job)
            await clock.sleepersReach(1)
            clock.advance(by: .milliseconds(2499))
            #expect(batch.status(job, of: "RMT1")?.state == .running)
            clock.advance(by: .milliseconds(1))
            #expect(try await batch.ended(job).report.end?.outcome == .done(0))
        }
    }

    @Test func `a waiting program hears of its cancel`() async throws {
        let clock = ManualClock()
        try await withBatch(BatchSystem(BatchSettings(), time: .fixed(clock))) { batch in
            let job = try await batch.accept(
                "//A JOB\n//S EXEC PGM=WAIT,PARM=3600\n//T EXEC PGM=LINES,PARM=1,COND=EVEN\n"
            ).number.description
            _ = await batch.reached([.running], job)
            await clock.sleepersReach(1)
            #expect(try batch.cancel(job, of: "RMT1").answer == .running)
            let ended = try await batch.ended(job)
            #expect(ended.report.end?.outcome == .cancelled)
            #expect(ended.text("JESMSGLG")?.contains("ABEND=S222") == true)
            #expect(ended.text("SYSPRINT") == nil)
        }
    }
}
