import Jobs
import Lines
import Protocols
import ReferenceHost
import Stations
import Synchronization
import TestKit
import Testing
import Wire

/// The station of the gateway and the server of the reference host, over sockets.
struct RFC407WholeWayTests {
    struct Form: Sendable, CustomTestStringConvertible {
        var testDescription: String { "\(page.name) \(deck.rawValue) \(print.rawValue) \(dialect.rawValue)" }
        var page = CodePage.ascii
        var deck = RFC407.Mode.records
        var print = RFC407.Mode.asa
        var dialect = RFC407.StreamFormat.Dialect.block959
    }

    @Test(arguments: [
        Form(), Form(page: .cp037), Form(page: .cp1047), Form(dialect: .block354), Form(dialect: .fixed),
        Form(deck: .text), Form(page: .cp037, deck: .text),
    ])
    func `a job goes there, runs, and its print-out and cards come back octet by octet`(_ form: Form) async throws {
        try await withRFC407Host { settings, own in
            settings.batch.code = form.page
            own.dialect = form.dialect
        } _: { host, address in
            let batch = try #require(host.batch)
            let station = try await rfc407Station(
                rfc407Settings(address) {
                    $0.codePage = form.page
                    $0.deckMode = form.deck
                    $0.printMode = form.print
                    $0.dialect = form.dialect
                })
            let closings = Locked(0)
            let deck = try rfc407Deck(rfc407Hello, code: form.page)
            let closing: @Sendable () async throws -> Void = { closings.withLock { $0 += 1 } }
            let receipt = try await station.submit(deck, closing: closing)
            #expect(closings.withLock { $0 } == 1)
            let job = try #require(receipt.job)
            let outcome = try await station.ended(job)
            #expect(outcome == .completed(0))
            let files = try await station.files(of: job)
            #expect(files.map(\.kind) == [.print, .punch])
            let print = try await station.taken(files[0], of: job)
            let punch = try await station.taken(files[1], of: job)
            if form.dialect == .fixed {
                // records of one length: what the host's lines lack is blank
                #expect(print.count == (files[0].records ?? 0) * 134)
            } else {
                let spooled = try batch.spooled(.print, job.description)
                #expect(print == spooled)
                let rest = try await station.taken(files[0], of: job, from: 100)
                #expect(rest == Array(print[100...]))
                let part = try await station.taken(files[0], of: job, from: 7, limit: 50)
                #expect(part == Array(print[7..<57]))
            }
            let cards = try batch.spooled(.punch, job.description)
            #expect(punch == cards)
            try await station.purge(job)
            #expect(try await station.status(of: job) == nil)
            #expect(batch.status(job.description, of: "RMT1") == nil)
            await station.signOff()
            #expect(await !station.isOpen)
        }
    }

    @Test func `print-out as text is the lines that a printer would print`() async throws {
        try await withRFC407Host { host, address in
            let station = try await rfc407Station(rfc407Settings(address) { $0.printMode = .text })
            let receipt = try await station.submit(hello407(), closing: nil)
            let job = try #require(receipt.job)
            _ = try await station.ended(job)
            let files = try await station.files(of: job)
            let octets = try await station.taken(files[0], of: job)
            let text = String(decoding: octets, as: UTF8.self)
            #expect(files[0].carriageControl == .none)
            var renderer = TextRenderer(.asa, records: .text(.ascii), code: .ascii)
            var expected: [UInt8] = []
            let batch = try #require(host.batch)
            let spooled = try batch.spooled(.print, job.description)
            renderer.append(spooled.span, to: &expected)
            renderer.finish(to: &expected)
            let lines = String(decoding: expected, as: UTF8.self).split(
                separator: "\n", omittingEmptySubsequences: false)
            let got = text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(got.map { $0.replacing("\u{0C}", with: "") } == lines.map { $0.replacing("\u{0C}", with: "") })
            await station.signOff()
        }
    }

    @Test func `eight jobs at once over one session are all told, fetched and purged`() async throws {
        try await withRFC407Host { host, address in
            let station = try await rfc407Station(rfc407Settings(address))
            let jobs = try await withThrowingTaskGroup(of: JobNumber.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        let text =
                            "//J\(number) JOB 1\n//S EXEC PGM=ECHO\n//SYSPRINT DD SYSOUT=A\n//SYSIN DD *\nN\(number)\n"
                        let deck = try rfc407Deck(text)
                        let receipt = try await station.submit(deck, closing: nil)
                        let job = try #require(receipt.job)
                        _ = try await station.ended(job)
                        let files = try await station.files(of: job)
                        let file = try #require(files.first)
                        let print = try await station.taken(file, of: job)
                        #expect(String(decoding: print, as: UTF8.self).contains("N\(number)"))
                        try await station.purge(job)
                        return job
                    }
                }
                return try await group.reduce(into: Set<JobNumber>()) { $0.insert($1) }
            }
            #expect(jobs.count == 8)
            #expect(try await station.statusOfAll().jobs.isEmpty)
            #expect(await station.callCount == 0)
            await station.signOff()
        }
    }

    @Test func `a job is cancelled, and STATUS says so until it is purged`() async throws {
        try await withRFC407Host { host, address in
            let station = try await rfc407Station(rfc407Settings(address))
            let deck = try rfc407Deck("//W JOB 1\n//S EXEC PGM=WAIT,PARM='300'\n")
            let receipt = try await station.submit(deck, closing: nil)
            let job = try #require(receipt.job)
            #expect(try await station.cancel(job) == .canceled)
            #expect(try await station.ended(job) == .canceled)
            #expect(try await station.files(of: job).isEmpty)
            try await station.purge(job)
            #expect(try await station.status(of: job) == nil)
            #expect(try await station.cancel(job) == .unknownJob)
            await station.signOff()
        }
    }

    @Test func `a deck that the host refuses is refused, and the session goes on`() async throws {
        try await withRFC407Host { host, address in
            let station = try await rfc407Station(rfc407Settings(address))
            await #expect(throws: StationError.self) {
                try await station.submit(rfc407Deck("NO JOB CARD\n"), closing: nil)
            }
            let receipt = try await station.submit(hello407(), closing: nil)
            #expect(receipt.job != nil)
            let batch = try #require(host.batch)
            #expect(batch.status(of: "RMT1").reports.count == 1)
            await station.signOff()
        }
    }

    @Test func `a wrong password is refused, and a host that says nothing is waited for so long only`() async throws {
        try await withRFC407Host { _, address in
            var settings = rfc407Settings(address)
            settings.password = { "wrong" }
            await #expect(throws: StationError.logonRefused("431 Wrong user or password")) {
                try await rfc407Station(settings)
            }
        }
    }

    @Test func `an attempt that cannot be stored as closing leaves nothing at the host`() async throws {
        struct Full: Error {}
        try await withRFC407Host { host, address in
            let station = try await rfc407Station(rfc407Settings(address))
            let deck = try rfc407Deck(rfc407Hello)
            let closing: @Sendable () async throws -> Void = { throw Full() }
            await #expect(throws: StationError.self) { try await station.submit(deck, closing: closing) }
            let batch = try #require(host.batch)
            #expect(batch.status(of: "RMT1").reports.isEmpty)
            await station.signOff()
        }
    }

    @Test func `the host is awaited in the ports that are given`() async throws {
        try await withRFC407Host { host, address in
            // A port that was free a moment ago may be another test's by now: then with another one.
            try await eventually("a port that is free") {
                let free = try RFC407HandDoor().port
                let station = try await rfc407Station(
                    rfc407Settings(address) {
                        $0.dataPorts = free...free
                        $0.dataAddress = .loopback
                    })
                do throws(StationError) {
                    let deck: PreparedDeck
                    do { deck = try hello407() } catch { throw .local("\(error)") }
                    let receipt = try await station.submit(deck, closing: nil)
                    await station.signOff()
                    return receipt.job != nil
                } catch {
                    await station.signOff()
                    guard case .busy(let words) = error, words.contains("in use") else { throw error }
                    return false
                }
            }
        }
    }

    @Test func `the host is told a router's address, which is not ours to listen on`() async throws {
        try await withRFC407Host { host, address in
            let station = try await rfc407Station(rfc407Settings(address) { $0.dataAddress = .v4(0xC000_0201) })
            let deck = try hello407()
            let error = await #expect(throws: StationError.self) { try await station.submit(deck, closing: nil) }
            // the door is open; this host may not go there
            #expect(error == .busy("442 HC0000201 is not on the list of allowed hosts"))
            await station.signOff()
        }
    }
}
