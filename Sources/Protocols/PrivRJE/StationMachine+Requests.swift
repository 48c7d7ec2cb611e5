extension PrivRJE.StationMachine {
    mutating func submit(_ id: PrivRJE.RequestID, _ request: PrivRJE.Request, _ actions: inout [Action]) {
        if isEnding { return actions.append(.deliver(id, .notSent(.sessionEnding))) }
        if request == .bye { isEnding = true }
        waiting.append(Waiting(id: id, request: request))
        sendWaiting(&actions)
    }

    /// Sends what the window has room for, in order. A deck on its way holds up everything behind it.
    mutating func sendWaiting(_ actions: inout [Action]) {
        while phase == .ready, deck == nil, open.count < hostAbilities.window, !waiting.isEmpty {
            let next = waiting.removeFirst()
            do {
                try check(next.request)
                let line = try next.request.line()
                note(sent: line, of: next.id)
                actions.append(.send(line))
            } catch {
                actions.append(.deliver(next.id, .notSent(error)))
                committed.remove(next.id)
                continue
            }
            open.append(Open(id: next.id, request: next.request))
            if case .input(let input) = next.request {
                deck = Deck(id: next.id, toCome: input.octets)
                actions.append(.provideDeck(next.id, octets: input.octets))
            }
        }
    }

    /// What the host would have to answer by closing the line, or we by sending nothing.
    private func check(_ request: PrivRJE.Request) throws(PrivRJE.RequestFault) {
        guard case .input(let input) = request else { return }
        if input.octets == 0 { throw .emptyDeck }
        guard (1...max(1, hostAbilities.maxDeck)).contains(input.octets) else {
            throw .deckTooLong(octets: input.octets, limit: hostAbilities.maxDeck)
        }
    }

    /// A piece of the deck. What goes beyond OCTETS is dropped: the announced length is what the host counts.
    mutating func send(_ piece: [UInt8], of id: PrivRJE.RequestID, _ actions: inout [Action]) {
        guard var deck, deck.id == id, deck.lastPiece == nil, !piece.isEmpty else { return }
        let piece = piece.count <= deck.toCome ? piece : Array(piece.prefix(deck.toCome))
        deck.toCome -= piece.count
        if deck.toCome > 0 {
            deck.sent += piece.count
            self.deck = deck
            note(block: piece, of: id, isSent: true)
            return actions.append(.send(piece))
        }
        deck.lastPiece = piece
        self.deck = deck
        if committed.contains(id) {
            sendLastPiece(&actions)
        } else {
            actions.append(.commitClosing(id))
        }
    }

    mutating func commit(_ id: PrivRJE.RequestID, _ actions: inout [Action]) {
        if deck?.id == id, deck?.lastPiece != nil {
            sendLastPiece(&actions)
        } else if deck?.id == id || waiting.contains(where: { $0.id == id }) {
            committed.insert(id)
        }
    }

    private mutating func sendLastPiece(_ actions: inout [Action]) {
        guard let ended = deck, let piece = ended.lastPiece else { return }
        committed.remove(ended.id)
        deck = nil
        note(block: piece, of: ended.id, isSent: true)
        actions.append(.send(piece))
        sendWaiting(&actions)
    }
}
