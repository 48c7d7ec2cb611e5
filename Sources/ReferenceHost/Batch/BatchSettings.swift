package import Wire

/// What the batch system is set up to do; nothing of protocols.
package struct BatchSettings: Sendable {
    /// The host's name, on print-out and in greetings: 1-8 characters.
    package var name = "DEMO"
    /// The host's own code: of print files, of punched cards, and the order in which SORT sorts.
    package var code = CodePage.ascii
    /// Classes of each initiator, in the order in which it looks for work.
    package var initiators: [[JobClass]] = Array(repeating: JobClass.all, count: 4)
    /// Where SYSOUT goes to the punch instead of the printer.
    package var punchClass = JobClass(octet: 0x42) ?? .standard
    /// For how long a submission key is remembered after the end of its job.
    package var keep = Duration.seconds(604_800)
    /// START and END pages around the print-out of a job.
    package var printsSeparators = false
    /// Lines of print-out after which a job is ended with S722.
    package var mostLines = 20_000_000
    /// Octets of decks that wait; more of them and INPUT is refused with 462.
    package var mostWaitingOctets = 1 << 30
    /// Characters a card may have.
    package var longestCard = 80
    /// Octets a deck may have.
    package var mostDeckOctets = 16 * 1024 * 1024

    /// The job number after which numbers begin again at 1, as long as one is free.
    package var lastShortNumber = 99_999

    package init() {}
}
