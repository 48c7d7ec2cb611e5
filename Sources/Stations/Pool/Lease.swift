import Synchronization

/// One slot of a session, until `release`, or until nobody holds the lease any more.
package final class Lease: Sendable {
    package let station: any Station
    package let session: SessionID
    let id: LeaseID
    private let fate: Fate
    private let giveBack: @Sendable () -> Void
    private let isReleased = Atomic<Bool>(false)

    /// What the pool may still tell a lease; apart, so that the pool does not hold the lease itself.
    final class Fate: Sendable {
        let error = Mutex<StationError?>(nil)
    }

    init(
        id: LeaseID, station: any Station, session: SessionID, fate: Fate, giveBack: @escaping @Sendable () -> Void
    ) {
        self.id = id
        self.station = station
        self.session = session
        self.fate = fate
        self.giveBack = giveBack
    }

    deinit { release() }

    /// Why the session under this lease is gone; nil while it lives.
    package var error: StationError? { fate.error.withLock { $0 } }

    /// Gives the slot back; the station is not to be used afterwards. Again: nothing.
    package func release() {
        if !isReleased.exchange(true, ordering: .acquiringAndReleasing) { giveBack() }
    }
}
