internal import Wire

extension PrivRJE.CommandLine {
    /// The parameters of INPUT, and what is wrong with the deck as far as they tell. Section 4.
    ///
    /// - Throws: 501 for a value that the page does not allow; the block is to be dropped.
    func input(
        octets: Int, at host: PrivRJE.Abilities
    ) throws(PrivRJE.CommandFault) -> (input: PrivRJE.Input, refusal: PrivRJE.Refusal?) {
        _ = try positional()
        var input = PrivRJE.Input(octets: octets, lrecl: min(80, host.lrecl))
        var refusal: PrivRJE.Refusal?
        if octets == 0 { refusal = .init(.empty, "no records") }
        if host.has(.key), let key = parameters?["KEY"] {
            guard PrivRJE.isKey(key) else { throw .form("KEY is not 1 to 64 of A-Z a-z 0-9 . _ -") }
            input.key = key
        }
        if let form = parameters?["RECFM"] {
            guard let form = CardForm(rawValue: form.uppercased()) else { throw .form("RECFM is not V or F") }
            input.form = form
        }
        if let text = parameters?["LRECL"] {
            guard let lrecl = PrivRJE.number(text), (1...max(1, host.lrecl)).contains(lrecl) else {
                throw .form("LRECL is not 1 to \(host.lrecl)")
            }
            input.lrecl = lrecl
        }
        if let hold = parameters?["HOLD"] {
            guard hold.uppercased() == "Y" else { throw .form("HOLD is not Y") }
            input.holds = true
        }
        input.jobClass = parameters?["CLASS"]
        input.priority = parameters?["PRIORITY"]
        input.code = parameters?["CODE"]?.uppercased() ?? "ASCII"
        if !host.codes.contains(input.code) {
            refusal = refusal ?? .init(.badCode, "not one of \(host.codes.joined(separator: ","))")
        } else if input.form == .fixed && octets % input.lrecl != 0 {
            refusal = refusal ?? .init(.badCard, "not a multiple of \(input.lrecl) octets")
        }
        return (input, refusal)
    }
}
