/// The programs this host has.
enum Catalog {
    static let programs: [String: any Program] = [
        "IEFBR14": BranchToRegister14(), "IEBGENER": Generator(), "SORT": Sorter(), "DFSORT": Sorter(),
        "IDCAMS": AccessMethods(), "WAIT": Waiter(), "RC": ReturnCode(), "ABEND": Abender(), "LINES": LinePrinter(),
        "CARDS": CardPuncher(), "ECHO": Echo(),
    ]
}

/// Does nothing.
struct BranchToRegister14: Program {
    func run(_ step: Step) async throws -> Int { 0 }
}

/// Copies SYSUT1 to SYSUT2.
struct Generator: Program {
    func run(_ step: Step) async throws -> Int {
        let print = step.output("SYSPRINT")
        print?.line("DATA SET UTILITY - GENERATE", motion: 0x31)
        guard var source = step.input("SYSUT1") else {
            _ = step.output("SYSUT1")
            print?.line("IEB311I CONFLICTING DCB PARAMETERS: SYSUT1 IS MISSING", motion: 0x30)
            return 12
        }
        guard let target = step.output("SYSUT2") else {
            print?.line("IEB311I CONFLICTING DCB PARAMETERS: SYSUT2 IS MISSING", motion: 0x30)
            return 12
        }
        var copied = 0
        while let record = source.next() {
            target.put(record)
            copied += 1
            if copied % 1024 == 0 { try await step.breathe() }
        }
        print?.line("PROCESSING ENDED AT EOD", motion: 0x2D)
        return 0
    }
}

/// Waits PARM seconds; a fraction will do.
struct Waiter: Program {
    func run(_ step: Step) async throws -> Int {
        guard let wanted = Double(step.parameter), wanted >= 0, wanted <= 86_400 else {
            step.job.log("WAIT001E PARM IS NO NUMBER OF SECONDS FROM 0 TO 86400")
            return 12
        }
        try await step.job.control.sleep(.microseconds(Int64(wanted * 1_000_000)), on: step.job.time)
        return 0
    }
}

/// Returns PARM.
struct ReturnCode: Program {
    func run(_ step: Step) async throws -> Int {
        guard let code = Int(step.parameter), (0...4095).contains(code) else {
            step.job.log("RC001E PARM IS NO NUMBER FROM 0 TO 4095")
            return 12
        }
        return code
    }
}

/// Ends abnormally with PARM.
struct Abender: Program {
    func run(_ step: Step) async throws -> Int {
        guard let abend = Abend(step.parameter) else {
            step.job.log("ABEND001E PARM IS NO CODE LIKE S0C7 OR U0016")
            return 12
        }
        throw abend
    }
}

/// Prints PARM numbered lines on SYSPRINT, 60 a page: the same in every run.
struct LinePrinter: Program {
    private static let filler = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".utf8)
    static let mostLines = 100_000_000

    /// `LINE 0000001 OF 0000003 BCDEF...`, 84 columns.
    static func text(_ number: Int, of total: Int) -> String {
        let turn = number % filler.count
        let tail = filler[turn...] + filler[..<turn] + filler.prefix(24)
        return "LINE \(pad(number, 7)) OF \(pad(total, 7)) \(String(decoding: tail, as: UTF8.self))"
    }

    func run(_ step: Step) async throws -> Int {
        guard let total = Int(step.parameter), (0...LinePrinter.mostLines).contains(total) else {
            step.job.log("LINES001E PARM IS NO NUMBER FROM 0 TO \(LinePrinter.mostLines)")
            return 12
        }
        let print = step.output("SYSPRINT", orElse: step.job.definition.messageClass)
        for number in 0..<total {
            print?.line(LinePrinter.text(number + 1, of: total), motion: number % 60 == 0 ? 0x31 : 0x20)
            if number % 1024 == 1023 { try await step.breathe() }
        }
        return 0
    }
}

/// Punches PARM numbered cards on SYSPUNCH.
struct CardPuncher: Program {
    static let mostCards = 10_000_000

    /// 80 columns; the last eight are a sequence number.
    static func text(_ number: Int, of total: Int) -> String {
        left("CARD \(pad(number, 7)) OF \(pad(total, 7))", 72) + pad(number, 8)
    }

    func run(_ step: Step) async throws -> Int {
        guard let total = Int(step.parameter), (0...CardPuncher.mostCards).contains(total) else {
            step.job.log("CARDS001E PARM IS NO NUMBER FROM 0 TO \(CardPuncher.mostCards)")
            return 12
        }
        let punch = step.output("SYSPUNCH", orElse: step.job.host.punchClass.octet)
        for number in 0..<total {
            punch?.put(Array(CardPuncher.text(number + 1, of: total).utf8)[...])
            if number % 1024 == 1023 { try await step.breathe() }
        }
        return 0
    }
}

/// Prints SYSIN on SYSPRINT.
struct Echo: Program {
    func run(_ step: Step) async throws -> Int {
        guard var source = step.input("SYSIN") else { return 0 }
        let print = step.output("SYSPRINT", orElse: step.job.definition.messageClass)
        var printed = 0
        while let record = source.next() {
            print?.put(record)
            printed += 1
            if printed % 1024 == 0 { try await step.breathe() }
        }
        return 0
    }
}
