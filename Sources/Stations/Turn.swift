/// One after the other, in the order of asking. Used on one executor only.
final class Turn {
    private var isTaken = false
    private var waiters: [CheckedContinuation<Void, Never>] = []

    func take() async {
        if !isTaken {
            isTaken = true
            return
        }
        await withCheckedContinuation { continuation in
            if isTaken {
                waiters.append(continuation)
            } else {
                isTaken = true
                continuation.resume()
            }
        }
    }

    func pass() {
        if waiters.isEmpty { isTaken = false } else { waiters.removeFirst().resume() }
    }
}
