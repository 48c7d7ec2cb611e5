/// `PRINT INFILE(dd) CHARACTER|HEX [COUNT(n)] [SKIP(n)]`, as the utility for data sets prints them.
struct AccessMethods: Program {
    func run(_ step: Step) async throws -> Int {
        guard let print = step.output("SYSPRINT") else { return 12 }
        let now = PrintedTime(step.job.time.now())
        print.line(
            left("IDCAMS  SYSTEM SERVICES", 75) + "TIME: \(now.colonClock)        \(now.shortDate)     PAGE      1",
            motion: 0x31)
        var highest = 0
        var command = ""
        var input = step.input("SYSIN")
        while let card = input?.next() {
            let text = String(decoding: card.prefix(72), as: UTF8.self)
            print.line(octets: Array(card.prefix(72)), motion: command.isEmpty ? 0x30 : 0x20)
            var words = text.split(separator: " ").joined(separator: " ")
            let goesOn = words.hasSuffix("-") || words.hasSuffix("+")
            if goesOn { words.removeLast() }
            command += (command.isEmpty ? "" : " ") + words
            if goesOn { continue }
            if !command.isEmpty && !command.hasPrefix("/*") {
                highest = max(highest, try await perform(command, step, print))
            }
            command = ""
        }
        print.line("IDC0002I IDCAMS PROCESSING COMPLETE. MAXIMUM CONDITION CODE WAS \(highest)", motion: 0x30)
        return highest
    }

    private func perform(_ command: String, _ step: Step, _ print: RecordSink) async throws -> Int {
        let code = try await list(command, step, print)
        if code <= 4 { print.line("IDC0001I FUNCTION COMPLETED, HIGHEST CONDITION CODE WAS \(code)", motion: 0x30) }
        return code
    }

    private func list(_ command: String, _ step: Step, _ print: RecordSink) async throws -> Int {
        func refuse(_ text: String) -> Int {
            print.line(text, motion: 0x30)
            print.line("IDC3003I FUNCTION TERMINATED. CONDITION CODE IS 12", motion: 0x30)
            return 12
        }
        var words = command.uppercased().split(separator: " ").map(String.init)
        guard words.removeFirst() == "PRINT" else { return refuse("IDC3200I COMMAND NOT FOUND: \(command.prefix(60))") }
        var ddName: String?
        var isHex = false
        var most = Int.max
        var skipped = 0
        for word in words {
            let parts = word.split(separator: "(", maxSplits: 1)
            let value = parts.count == 2 && word.hasSuffix(")") ? String(parts[1].dropLast()) : nil
            switch (parts.first.map(String.init) ?? "", value) {
            case ("INFILE", let name?), ("IFILE", let name?): ddName = name
            case ("CHARACTER", nil), ("CHAR", nil): isHex = false
            case ("HEX", nil): isHex = true
            case ("COUNT", let text?):
                guard let number = Int(text), number >= 0 else {
                    return refuse("IDC3202I INCORRECT VALUE: \(word.prefix(40))")
                }
                most = number
            case ("SKIP", let text?):
                guard let number = Int(text), number >= 0 else {
                    return refuse("IDC3202I INCORRECT VALUE: \(word.prefix(40))")
                }
                skipped = number
            default: return refuse("IDC3202I KEYWORD NOT KNOWN: \(word.prefix(40))")
            }
        }
        guard let ddName else { return refuse("IDC3201I REQUIRED KEYWORD MISSING: INFILE") }
        guard var source = step.input(ddName) else { return refuse("IDC3300I ERROR OPENING \(ddName)") }
        print.line("LISTING OF DATA SET -\(ddName)", motion: 0x30)
        var number = 0
        var printed = 0
        let table = Translation.fromLatin1(step.job.host.code)
        while printed < most, let record = source.next() {
            number += 1
            if number <= skipped { continue }
            printed += 1
            print.line("RECORD SEQUENCE NUMBER - \(number)", motion: 0x30)
            let pieces = stride(from: record.startIndex, to: record.endIndex, by: isHex ? 60 : 120)
            for start in pieces {
                let piece = record[start..<min(record.endIndex, start + (isHex ? 60 : 120))]
                print.line(octets: isHex ? AccessMethods.hex(piece, table) : Array(piece))
            }
            if printed % 512 == 0 { try await step.breathe() }
        }
        print.line("IDC0005I NUMBER OF RECORDS PROCESSED WAS \(printed)", motion: 0x30)
        return 0
    }

    private static func hex(_ octets: ArraySlice<UInt8>, _ table: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for octet in octets {
            let value = Int(table[Int(octet)])
            text.append(digits[value >> 4])
            text.append(digits[value & 15])
        }
        return text
    }
}
