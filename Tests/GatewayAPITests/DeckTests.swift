import Engine
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

/// What is done to decks on their way in: checks, templates, symbols, tabs, long lines, control cards.
struct DeckTests {
    private static let customs = DeckCustoms(
        templates: [
            "default": ["//${JOBNAME} JOB (${ACCT}),'${OWNER}',CLASS=${CLASS}"],
            "night": ["//NIGHT JOB (${ACCT}),CLASS=N", "//* BY NIGHT"],
        ], symbols: ["CLASS": "A"])
    private static let bare = "//S EXEC PGM=IEFBR14\n//I DD *\n${ACCT}\n/*\n"

    @Test func `a deck without a job card gets the host's, and both decks can be read`() async throws {
        let rig = try Rig(decks: Self.customs)
        let answer = try await rig.post("/v1/jobs?name=PAY&symbol.acct=1234", Self.bare)
        #expect(answer.status == 201, "\(answer.text)")
        let id = try #require(answer.id)
        #expect(answer.json["name"]?.string == "PAY")
        let sent = "//PAY JOB (1234),'local',CLASS=A\n//S EXEC PGM=IEFBR14\n//I DD *\n1234\n/*\n"
        #expect(try await rig.get("/v1/jobs/\(id)/deck").text == sent)
        #expect(try await rig.get("/v1/jobs/\(id)/deck?as=sent").text == sent)
        #expect(answer.json["deck"]?["sha256"]?.string == ContentHash(of: Array(sent.utf8)).hex)
        #expect(try await rig.get("/v1/jobs/\(id)/deck?as=submitted").text == Self.bare)
    }

    @Test func `a deck that is not changed is one deck`() async throws {
        let rig = try Rig(decks: Self.customs)
        let deck = "//A JOB\n//S EXEC PGM=X\n"
        let id = try #require(try await rig.post("/v1/jobs", deck).id)
        #expect(try await rig.get("/v1/jobs/\(id)/deck?as=submitted").text == deck)
        #expect(try await rig.store.submittedDeck(of: id) == nil)
    }

    @Test func `what is sent counts for the limit of the host`() async throws {
        let rig = try Rig()
        let deck = "//A JOB\n//S EXEC PGM=X\n//I DD *\n" + String(repeating: "\t\n", count: 200_000)
        #expect(try await rig.post("/v1/jobs?tabs=expand", deck).status == 413)
        #expect(try await rig.store.lastSequence() == 0)
    }

    @Test func `a deck that was too long to be kept twice is gone as it was submitted`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        let other = JobID(at: rig.desk.clock.now())
        var submission = Submission(
            job: Job(id: other, host: job.host, owner: .local, name: nil, createdAt: job.createdAt, deck: job.deck),
            deck: .inline(Array(Decks.hello.utf8)))
        submission.submittedDeck = SubmittedDeck(hash: job.deck.hash, octets: 2_000_000, content: nil)
        let made: SubmissionResult = try await rig.store.submit(submission)
        #expect(made == .created(submission.job))
        #expect(try await rig.get("/v1/jobs/\(other)/deck?as=submitted").status == 410)
        #expect(try await rig.get("/v1/jobs/\(other)/deck").status == 200)
    }

    @Test func `a demanded template goes before the deck`() async throws {
        let rig = try Rig(decks: Self.customs)
        let id = try #require(
            try await rig.post("/v1/jobs?template=night&symbol.ACCT=7&symbols=off", Self.bare).id)
        #expect(try await rig.get("/v1/jobs/\(id)/deck").text == "//NIGHT JOB (7),CLASS=N\n//* BY NIGHT\n" + Self.bare)
    }

    @Test func `every way to submit takes symbols`() async throws {
        let rig = try Rig(decks: Self.customs)
        let deck = "//A JOB (${ACCT})\n//S EXEC PGM=X\n"
        let json = try await rig.post(
            "/v1/jobs", #"{"deck":"//A JOB (${ACCT})\n//S EXEC PGM=X\n","symbols":{"acct":"1"}}"#,
            ("Content-Type", "application/json"))
        let form =
            "--xx\r\nContent-Disposition: form-data; name=\"symbol.ACCT\"\r\n\r\n1\r\n"
            + "--xx\r\nContent-Disposition: form-data; name=\"deck\"\r\n\r\n\(deck)\r\n--xx--\r\n"
        let byForm = try await rig.post("/v1/jobs", form, ("Content-Type", "multipart/form-data; boundary=xx"))
        let byQuery = try await rig.post("/v1/jobs?symbol.ACCT=1", deck)
        for answer in [json, byForm, byQuery] {
            let id = try #require(answer.id, "\(answer.text)")
            #expect(try await rig.get("/v1/jobs/\(id)/deck").text.hasPrefix("//A JOB (1)\n//S EXEC PGM=X\n"))
        }
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let query: String
        let deck: String
        /// `code line:column`
        let fault: String
        let slug: String

        init(_ what: String, _ query: String, _ deck: String, fault: String, slug: String = "invalid-deck") {
            testDescription = what
            self.query = query
            self.deck = deck
            self.fault = fault
            self.slug = slug
        }
    }

    @Test(arguments: [
        Refusal("unknown symbol", "", "//A JOB (${NOPE})\n", fault: "unknown-symbol 1:10"),
        Refusal("symbol of the template", "name=A", "//S EXEC PGM=X\n", fault: "unknown-symbol 1:1"),
        Refusal(
            "value too long", "symbol.P=" + String(repeating: "X", count: 60), "//A JOB\n//S EXEC PGM=X,PARM=${P}\n",
            fault: "symbol-too-long 2:21"),
        Refusal(
            "control card by a value", "symbol.C=/*SIGNON", "//A JOB\n//I DD *\n${C} R1\n", fault: "control-card 3:1"),
        Refusal(
            "job card by a value", "symbol.C=//B", "//A JOB\n//S EXEC PGM=X\n${C} JOB\n", fault: "second-job-card 3:1"),
        Refusal(
            "job card by a value of a split deck", "split=true&symbol.C=//B", "//A JOB\n//S EXEC PGM=X\n${C} JOB\n",
            fault: "second-job-card 3:1"),
        Refusal("two job cards", "template=night&symbol.ACCT=1", "//A JOB\n", fault: "second-job-card 1:1"),
        Refusal("before the first job", "split=true", "\nX\n//A JOB\n", fault: "before-first-job-card 2:1"),
        Refusal(
            "a fault in the second job", "split=true", "//A JOB\n//S EXEC PGM=X\n//B JOB\n\u{7F}\n",
            fault: "control-character 4:1"),
        Refusal("empty split deck", "split=true", "\n\n", fault: "empty-deck 1:1"),
        Refusal("unknown template", "template=nope", "//A JOB\n", fault: "unknown-template", slug: "invalid-field"),
        Refusal(
            "control character in a value", "symbol.A=%C2%85//B%20JOB", "//A JOB\n", fault: "invalid-symbol.A",
            slug: "invalid-field"),
        Refusal("no name of a symbol", "symbol.A-B=1", "//A JOB\n", fault: "invalid-symbol.A-B", slug: "invalid-field"),
        Refusal("tabs", "tabs=4", "//A JOB\n", fault: "invalid-tabs", slug: "invalid-field"),
        Refusal("cards", "cards=cut", "//A JOB\n", fault: "invalid-cards", slug: "invalid-field"),
        Refusal("split", "split=perhaps", "//A JOB\n", fault: "invalid-split", slug: "invalid-field"),
        Refusal("a name for several", "split=true&name=A", "//A JOB\n", fault: "invalid-name", slug: "invalid-field"),
        Refusal(
            "symbols in card images", "form=cards&symbol.A=1", "//A JOB\n", fault: "invalid-form", slug: "invalid-field"
        ),
    ])
    func `what cannot be made of a deck is refused with its place`(_ row: Refusal) async throws {
        let rig = try Rig(decks: Self.customs)
        let answer = try await rig.post("/v1/jobs?\(row.query)", row.deck)
        #expect(answer.status == 422, "\(answer.text)")
        #expect(answer.problem == row.slug)
        let fault = answer.json["errors"]?.elements?.first
        let place = fault?["line"]?.int.map { " \($0):\(fault?["column"]?.int ?? 0)" } ?? ""
        #expect((fault?["code"]?.string ?? "") + place == row.fault, "\(answer.text)")
        #expect(try await rig.store.lastSequence() == 0, "nothing was stored")
    }

    @Test func `control cards pass with a key that may, or at a host that lets them`() async throws {
        let deck = "//A JOB\n//S EXEC PGM=X\n/*$DA\n"
        let usual = try Rig()
        #expect(try await usual.post("/v1/jobs", deck).status == 422)
        let lenient = try Rig(decks: DeckCustoms(controlCards: .allowed))
        #expect(try await lenient.post("/v1/jobs", deck).status == 201)
        let trusted = try Rig { settings in
            settings.identify = { _ in
                var caller = Caller.local
                caller.allowsControlCards = true
                return caller
            }
        }
        #expect(try await trusted.post("/v1/jobs", deck).status == 201)
    }

    @Test func `tabs and long lines of data are mended on request`() async throws {
        let rig = try Rig()
        let deck = "//A\tJOB\n//S EXEC PGM=X\n//I DD *\n" + String(repeating: "D", count: 81) + "\n"
        #expect(try await rig.post("/v1/jobs", deck).status == 422)
        let id = try #require(try await rig.post("/v1/jobs?tabs=expand&cards=wrap", deck).id)
        #expect(
            try await rig.get("/v1/jobs/\(id)/deck").text
                == "//A     JOB\n//S EXEC PGM=X\n//I DD *\n" + String(repeating: "D", count: 80) + "\nD\n")
    }

    @Test(arguments: [
        "//A JOB (${ACCT})\r\n//S EXEC PGM=X\r\n//I DD *\r\n\tD\r\n//B JOB\n//S EXEC PGM=Y",
        "//S EXEC PGM=X\n${ACCT}\n\n", "\n\n//A JOB\n", "//A JOB\n//I DD DATA,DLM=$$\n//B JOB\n$$\n//C JOB\n",
        "//A JOB ${NOPE}\nX\u{7F}\n//B JOB\n/*SIGNON\n",
        "//A JOB\n" + String(repeating: "x", count: 40_000) + "\n//B JOB\n",
    ])
    func `a deck is the same however its octets come`(_ deck: String) async throws {
        let rig = try Rig(decks: Self.customs)
        let host = try rig.desk.host(named: "demo")
        for splits in [false, true] {
            for symbols in [[:], ["ACCT": "1"]] {
                var options = DeckOptions()
                options.splits = splits
                options.symbols = symbols
                options.expandsTabs = splits
                var seen: [String] = []
                for size in [deck.utf8.count, 1, 7] {
                    let intake = try rig.desk.intake(for: host, options: options)
                    var rest = Array(deck.utf8)[...]
                    while !rest.isEmpty {
                        try await intake.append(Array(rest.prefix(size)))
                        rest = rest.dropFirst(size)
                    }
                    do {
                        let taken = try await intake.finishAll()
                        seen.append(
                            "\(taken.map { [$0.body.hash.hex, $0.original?.hash.hex ?? "-", "\($0.firstLine) \($0.warnings)"] })"
                        )
                    } catch {
                        seen.append("\(error)")
                    }
                }
                #expect(Set(seen).count == 1, "\(seen)")
            }
        }
    }

    // MARK: the dry run

    @Test func `a dry run finds what a submission would, and stores nothing`() async throws {
        let rig = try Rig(decks: Self.customs)
        let good = try await rig.post("/v1/jobs:validate?name=PAY&symbol.ACCT=1", Self.bare)
        #expect(good.status == 200, "\(good.text)")
        #expect(good.json["valid"]?.bool == true)
        let job = good.json["jobs"]?.elements?.first
        #expect(job?["template"]?.bool == true)
        #expect(job?["changed"]?.bool == true)
        #expect(job?["cards"]?.int == 5)
        let stored = try await rig.post("/v1/jobs?name=PAY&symbol.ACCT=1", Self.bare)
        #expect(job?["sha256"]?.string == stored.json["deck"]?["sha256"]?.string)
        #expect(job?["octets"]?.int == stored.json["deck"]?["octets"]?.int)
        #expect(try await rig.store.lastSequence() == 1, "only the submission was stored")

        let bad = try await rig.post("/v1/jobs:validate", Decks.broken)
        #expect(bad.status == 200)
        #expect(bad.json["valid"]?.bool == false)
        #expect(bad.json["jobs"]?.elements?.isEmpty == true)
        let refused = try await rig.post("/v1/jobs", Decks.broken)
        #expect(bad.json["errors"] == refused.json["errors"])
        #expect(try await rig.post("/v1/jobs:validate?hots=demo", Self.bare).status == 400)
    }

    @Test func `warnings are told, and are faults for who is strict`() async throws {
        let rig = try Rig()
        let deck = "//A JOB\n//s EXEC PGM=X\n"
        let lenient = try await rig.post("/v1/jobs:validate", deck)
        #expect(lenient.json["valid"]?.bool == true)
        #expect(lenient.json["warnings"]?.elements?.first?["code"]?.string == "lower-case")
        let strict = try await rig.post("/v1/jobs:validate", deck, ("Prefer", "handling=strict"))
        #expect(strict.json["valid"]?.bool == false)
        #expect(strict["preference-applied"] == "handling=strict")
        #expect(strict.json["errors"]?.elements?.first?["line"]?.int == 2)
        #expect(try await rig.post("/v1/jobs", deck, ("Prefer", "handling=strict")).status == 422)
        #expect(try await rig.store.lastSequence() == 0)
        let clean = try await rig.post("/v1/jobs", "//A JOB\n//S EXEC PGM=X\n", ("Prefer", "handling=strict"))
        #expect(clean.status == 201)
        #expect(clean["preference-applied"] == "handling=strict")
    }

    @Test func `as text a dry run is read by what reads compilers`() async throws {
        let rig = try Rig()
        let answer = try await rig.post("/v1/jobs:validate", "//A JOB\n\u{7F}\n", ("Accept", "text/plain"))
        #expect(answer.text.hasPrefix("2:1: error: The control character U+007F"), "\(answer.text)")
        #expect(answer.text.contains("[control-character]\n1:1: warning:") || answer.text.contains("[no-step]"))
        let good = try await rig.post("/v1/jobs:validate", Decks.hello, ("Accept", "text/plain"))
        #expect(good.text == "HELLO: 5 cards, \(Decks.hello.utf8.count) octets\n")
    }
}
