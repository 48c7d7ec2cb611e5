import ArgumentParser
import Crypto
import Foundation
import Jobs
import Webhooks
import Wire

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check webhooks or receipts that were kept in files, without asking anybody.",
        discussion: """
            Example:  curl -s  http://127.0.0.1:8077/v1/webhook-keys >keys.json
                      curl -si http://127.0.0.1:8077/v1/jobs/01JDB2M3V9Q0R8S7T6W5X4Y3Z2/receipt >payroll.receipt
                      port77 verify payroll.receipt --keys keys.json --deck payroll.jcl --output 2=sysprint.raw

            A FILE holds header lines, an empty line and the body to the octet, as `curl -i` prints them. Keys are public
            ones (whpk_) or secrets (whsec_). When it was signed is told, not judged.

            Exit codes: 0 all of it is genuine, 1 some of it is not, 2 something cannot be read or there is no key.
            """)

    @Argument(help: "Kept webhooks or receipts.", completion: .file())
    var file: [String]

    @Option(help: "A public key, whpk_... May be given again.")
    var key: [String] = []

    @Option(
        help: "A file of keys: what /v1/webhook-keys answered, or keys with space between them. May be given again.")
    var keys: [String] = []

    @Option(help: "The deck, to be compared with the hash in the receipt.")
    var deck: String?

    @Option(help: "N=FILE: output N as the host sent it (port77 output JOB --file N --raw). May be given again.")
    var output: [String] = []

    func validate() throws {
        if (deck != nil || !output.isEmpty) && file.count != 1 {
            throw ValidationError("--deck and --output go with one FILE.")
        }
        if file.isEmpty { throw ValidationError("Name at least one FILE.") }
    }

    func run() throws {
        let known = try allKeys()
        guard !known.isEmpty else {
            complain("there is no key: give --key whpk_..., --keys FILE or $WEBHOOK_SECRET")
            throw ExitCode(Self.unreadable)
        }
        var isGenuine = true
        for path in file { isGenuine = try check(path, known) && isGenuine }
        if !isGenuine { throw ExitCode(1) }
    }

    private static let unreadable: Int32 = 2

    private func check(_ path: String, _ known: [String]) throws -> Bool {
        let receipt: Receipt
        do {
            receipt = try Receipt(try octets(of: path))
        } catch let fault as Receipt.Fault {
            complain("\(path): \(fault)")
            throw ExitCode(Self.unreadable)
        }
        guard let (key, body) = try receipt.verified(by: known) else {
            print("\(path): NOT genuine: no signature in it was made by these keys over this body")
            return false
        }
        let by = key.hasPrefix("whpk_") ? "by \(key)" : "by the secret"
        let time = Int64(receipt.timestamp).map { Timestamp(microseconds: $0 &* 1_000_000).rfc3339 } ?? ""
        let contents = ReceiptContent.all(in: body)
        for content in contents {
            let words = [content.type, content.job.map { "job \($0)" }, content.outcome].compactMap(\.self)
            print("\(path): genuine: \(receipt.id) \(words.joined(separator: ", ")); signed \(time) \(by)")
        }
        guard let content = Self.chosen(contents, deck: try deck.map { try hash(of: $0) }) else {
            print("\(path): genuine: \(receipt.id), signed \(time) \(by); its body is no event of a job")
            return deck == nil && output.isEmpty
        }
        var agrees = true
        if let deck { agrees = try compare(deck, "the deck", content.deckHash) }
        for pair in output {
            guard let equals = pair.firstIndex(of: "="), let number = Int(pair[..<equals]) else {
                throw ValidationError("--output takes N=FILE")
            }
            let path = String(pair[pair.index(after: equals)...])
            agrees = try compare(path, "output \(number)", content.outputHashes[number]) && agrees
        }
        return agrees
    }

    /// Of a batch, the event that tells most of the job with this deck.
    private static func chosen(_ contents: [ReceiptContent], deck: String?) -> ReceiptContent? {
        let ofDeck = deck.map { deck in contents.filter { $0.deckHash == deck } } ?? contents
        return ofDeck.last { !$0.outputHashes.isEmpty } ?? ofDeck.last ?? contents.last
    }

    private func hash(of path: String) throws -> String {
        Hex.encode(Array(SHA256.hash(data: Data(try octets(of: path)))))
    }

    private func compare(_ path: String, _ name: String, _ expected: String?) throws -> Bool {
        guard let expected else {
            print("\(path): the receipt does not tell the hash of \(name)")
            return false
        }
        let hash = try hash(of: path)
        let isEqual = hash == expected.lowercased()
        print("\(path): \(isEqual ? "is \(name) to the octet" : "is NOT \(name): SHA-256 \(hash), not \(expected)")")
        return isEqual
    }

    private func octets(of path: String) throws -> [UInt8] {
        if path == "-" { return Array(FileHandle.standardInput.readDataToEndOfFile()) }
        guard let data = FileManager.default.contents(atPath: path) else {
            complain("\(path) cannot be read")
            throw ExitCode(Self.unreadable)
        }
        return Array(data)
    }

    private func allKeys() throws -> [String] {
        var known = key
        for path in keys {
            let text = try octets(of: path)
            if let listed = try? JSONValue(parsing: text) {
                known += (listed["items"]?.elements ?? []).compactMap { $0["key"]?.string }
            } else {
                known += String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
            }
        }
        let secrets = ProcessInfo.processInfo.environment["WEBHOOK_SECRET"] ?? ""
        known += secrets.split(separator: " ").map(String.init)
        do {
            _ = try SignatureVerifier(known)
        } catch {
            complain("\(error)")
            throw ExitCode(Self.unreadable)
        }
        return known
    }
}
