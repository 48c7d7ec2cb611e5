import Jobs
import ReferenceHost
import Testing
import Wire

@Suite struct PrintOutTests {
    @Test func `a whole job prints log, listing, messages and its data sets`() async throws {
        let job = try await ran(
            """
            //PAYROLL  JOB (1),'J. DOE',MSGCLASS=A
            //* EVERY MONTH
            //COPY     EXEC PGM=IEBGENER
            //SYSPRINT DD SYSOUT=*
            //SYSUT1   DD *
            ONE
            TWO
            /*
            //SYSUT2   DD SYSOUT=A
            //SYSIN    DD DUMMY
            //LAST     EXEC PGM=RC,PARM=4

            """.replacing("\n\n", with: "\n"))
        #expect(job.report.state == .done)
        #expect(job.report.end?.outcome == .done(4))
        #expect(
            job.text("JESMSGLG") == """
                1                 J E S 2  J O B  L O G  --  S Y S T E M  DEMO  --  N O D E  DEMO
                0 01.02.03 J00001 ---- MONDAY,    23 NOV 2026 ----
                  01.02.03 J00001  IRR010I  USERID RMT1     IS ASSIGNED TO THIS JOB.
                  01.02.03 J00001  $HASP373 PAYROLL  STARTED - INIT 1    - CLASS A - SYS DEMO
                  01.02.03 J00001  IEF403I PAYROLL - STARTED - TIME=01.02.03
                  01.02.03 J00001  IEF404I PAYROLL - ENDED - TIME=01.02.03
                  01.02.03 J00001  $HASP395 PAYROLL  ENDED - RC=0004
                0------ JES2 JOB STATISTICS ------
                   23 NOV 2026 JOB EXECUTION DATE
                            11 CARDS READ
                            42 SYSOUT PRINT RECORDS
                             0 SYSOUT PUNCH RECORDS
                          0.00 MINUTES EXECUTION TIME

                """)
        #expect(
            job.text("JESJCL") == """
                1        1 //PAYROLL  JOB (1),'J. DOE',MSGCLASS=A                                   J00001
                           //* EVERY MONTH
                         2 //COPY     EXEC PGM=IEBGENER
                         3 //SYSPRINT DD SYSOUT=*
                         4 //SYSUT1   DD *
                         5 //SYSUT2   DD SYSOUT=A
                         6 //SYSIN    DD DUMMY
                         7 //LAST     EXEC PGM=RC,PARM=4

                """)
        #expect(
            job.text("JESYSMSG") == """
                1 IEF236I ALLOC. FOR PAYROLL COPY
                  IEF237I JES2 ALLOCATED TO SYSPRINT
                  IEF237I JES2 ALLOCATED TO SYSUT1
                  IEF237I JES2 ALLOCATED TO SYSUT2
                  IEF237I DMY  ALLOCATED TO SYSIN
                  IEF142I PAYROLL COPY - STEP WAS EXECUTED - COND CODE 0000
                  IEF285I   RMT1.PAYROLL.J00001.D0000003.SYSPRINT        SYSOUT
                  IEF285I   RMT1.PAYROLL.J00001.D0000004.SYSUT1          SYSIN
                  IEF285I   RMT1.PAYROLL.J00001.D0000005.SYSUT2          SYSOUT
                  IEF373I STEP/COPY    /START 2026327.0102
                  IEF032I STEP/COPY    /STOP  2026327.0102
                  IEF236I ALLOC. FOR PAYROLL LAST
                  IEF142I PAYROLL LAST - STEP WAS EXECUTED - COND CODE 0004
                  IEF373I STEP/LAST    /START 2026327.0102
                  IEF032I STEP/LAST    /STOP  2026327.0102
                  IEF375I  JOB/PAYROLL /START 2026327.0102
                  IEF033I  JOB/PAYROLL /STOP  2026327.0102

                """)
        #expect(job.text("SYSPRINT") == "1DATA SET UTILITY - GENERATE\n-PROCESSING ENDED AT EOD\n")
        #expect(job.text("SYSUT2") == " ONE\n TWO\n")
        #expect(job.files.map(\.ddName) == ["JESMSGLG", "JESJCL", "JESYSMSG", "SYSPRINT", "SYSUT2"])
        #expect(job.files.map(\.step) == [nil, nil, nil, "COPY", "COPY"])
        #expect(job.files.map(\.records).reduce(0, +) == 42)
    }

    @Test func `each file says what it is and hashes to what it holds`() async throws {
        let job = try await ran("//A JOB\n//S EXEC PGM=LINES,PARM=61\n//P EXEC PGM=CARDS,PARM=2\n")
        for file in job.files {
            let octets = try file.body.read(offset: 0, count: .max)
            #expect(octets.count == file.octets)
            #expect(ContentHash(of: octets) == file.hash)
        }
        let print = try #require(job.files.first { $0.ddName == "SYSPRINT" })
        #expect(
            print.kind == .print && print.records == 61 && print.carriageControl == .asa && print.recordLength == 133)
        #expect(print.code == .ascii)
        let punch = try #require(job.files.first { $0.ddName == "SYSPUNCH" })
        #expect(
            punch.kind == .punch && punch.octets == 160 && punch.carriageControl == .none && punch.recordLength == 80)
        #expect(punch.code == nil && punch.step == "P")
        #expect(
            try punch.body.read(offset: 0, count: 80)
                == Array(("CARD 0000001 OF 0000002" + String(repeating: " ", count: 49) + "00000001").utf8))
    }

    @Test func `LINES begins a page every 60 lines and is the same in every run`() async throws {
        let deck = "//A JOB\n//S EXEC PGM=LINES,PARM=61\n"
        let job = try await ran(deck)
        let lines = job.lines("SYSPRINT")
        #expect(lines.count == 61)
        #expect(lines[0] == "1LINE 0000001 OF 0000061 BCDEFGHIJKLMNOPQRSTUVWXYZ0123456789AABCDEFGHIJKLMNOPQRSTUVWX")
        #expect(lines[1].hasPrefix(" LINE 0000002 OF 0000061 CDE"))
        #expect(lines[60].hasPrefix("1LINE 0000061"))
        #expect(try await ran(deck).files.map(\.hash) == job.files.map(\.hash))
    }

    @Test func `a host of CP037 prints and punches EBCDIC`() async throws {
        var settings = BatchSettings()
        settings.code = .cp037
        let job = try await ran("//A JOB\n//S EXEC PGM=ECHO\nABC\n//P EXEC PGM=CARDS,PARM=1\n", settings: settings)
        let print = try #require(job.files.first { $0.ddName == "SYSPRINT" })
        #expect(print.code == .cp037)
        #expect(try print.body.read(offset: 0, count: .max) == [0x40, 0xC1, 0xC2, 0xC3, 0x15])
        let punch = try #require(job.files.first { $0.kind == .punch })
        #expect(try punch.body.read(offset: 0, count: 5) == [0xC3, 0xC1, 0xD9, 0xC4, 0x40])
    }

    @Test func `a deck in EBCDIC runs like one in ASCII`() async throws {
        let deck = "//A JOB\n//S EXEC PGM=ECHO\nABC\n"
        let block = try CardEncoder.block(of: Array(deck.utf8), code: .cp037, form: .fixed).block
        let job = try await ran("") {
            $0.block = block
            $0.code = .cp037
            $0.form = .fixed
        }
        #expect(job.text("SYSPRINT") == " ABC\n")
    }

    @Test func `records with their own carriage control keep it, long lines are cut, controls print as blanks`()
        async throws
    {
        let job = try await ran(
            "//A JOB\n//S EXEC PGM=IEBGENER\n//SYSUT2 DD SYSOUT=A,DCB=(RECFM=FBA,LRECL=133)\n//SYSUT1 DD *\n1TOP\n0A\tB\n+C  \n"
        )
        #expect(job.text("SYSUT2") == "1TOP\n0A B\n+C\n")
    }

    @Test func `a JCL error is explained and nothing runs`() async throws {
        let job = try await ran("//BAD JOB\n//S EXEC PGM=LINES,PRAM=5\n")
        #expect(job.report.end?.outcome == .jclError)
        #expect(job.files.map(\.ddName) == ["JESMSGLG", "JESJCL", "JESYSMSG"])
        #expect(
            Array(job.lines("JESYSMSG").prefix(2))
                == ["1  STMT NO. MESSAGE", "         2 IEFC630I UNIDENTIFIED KEYWORD PRAM"])
        #expect(job.text("JESMSGLG")?.contains("IEFC452I BAD - JOB NOT RUN - JCL ERROR") == true)
    }

    @Test func `separators stand at the beginning of the first and the end of the last print file`() async throws {
        var settings = BatchSettings()
        settings.printsSeparators = true
        let job = try await ran("//PAYROLL1 JOB (1),A.ENGINEER\n//S EXEC PGM=ECHO\nX\n", settings: settings)
        let start = job.lines("JESMSGLG")
        #expect(start[0] == "1")
        #expect(start[1].hasPrefix(" PPPPPPPP      AAAAAA"))
        #expect(
            start[19]
                == " ****A  START  JOB    1  PAYROLL1  A.ENGINEER           ROOM         1.02.03 AM 23 NOV 26  PRINTER1  SYS DEMO  JOB    1  START  A****"
        )
        #expect(start[22] == start[19])
        #expect(start[23].hasPrefix("1   "))
        #expect(job.lines("SYSPRINT").last?.contains("   END   A****") == true)
        #expect(job.lines("SYSPRINT").first == " X")
    }

    @Test func `more lines than allowed end the job with S722`() async throws {
        var settings = BatchSettings()
        settings.mostLines = 2000
        let job = try await ran("//A JOB\n//S EXEC PGM=LINES,PARM=100000\n", settings: settings)
        #expect(job.report.end?.outcome == .abend(.system("722")))
    }

    @Test func `print-out longer than memory should hold goes through a file and is the same`() async throws {
        let deck = "//A JOB\n//S EXEC PGM=LINES,PARM=5000\n"
        let folder = try TestFolder()
        let inMemory = try await ran(deck)
        let onDisk = try await withBatch(BatchSystem(BatchSettings(), time: .fixed(), directory: folder.path)) {
            batch in
            try await batch.ended(batch.accept(deck).number.description)
        }
        let (one, other) = (try #require(inMemory.files.last), try #require(onDisk.files.last))
        #expect(one.octets > 64 * 1024)
        #expect(one.hash == other.hash)
        for file in [one, other] {
            #expect(ContentHash(of: try file.body.read(offset: 0, count: .max)) == file.hash)
            #expect(try file.body.read(offset: file.octets - 3, count: 10).count == 3)
            #expect(try file.body.read(offset: file.octets, count: 10).isEmpty)
        }
    }
}
