package import Jobs

/// What was committed after a number, read from memory.
package struct EventTail: Equatable, Sendable {
    package let events: [Event]
    /// The number up to which all of them are in `events`, or of another job.
    package let reach: Int64
}

/// The events committed last, in two generations like the jobs: who follows them need not ask the disk for each.
package struct RecentEvents: Sendable {
    /// In the order of their numbers, which have no gaps.
    private var young: [Event] = []
    private var old: [Event] = []
    private var youngOctets = 0

    /// Events, and octets of their bodies, in one generation.
    private let generation: Int
    private let generationOctets: Int

    package init(generation: Int = 4096, octets: Int = 4 << 20) {
        self.generation = generation
        generationOctets = octets
    }

    package mutating func append(_ event: Event) {
        if let last = young.last ?? old.last, event.sequence != last.sequence + 1 {
            // Numbers were left out after a disk that went back: nothing before them joins what comes.
            young = []
            old = []
            youngOctets = 0
        }
        if young.count >= generation || youngOctets >= generationOctets {
            old = young
            young = []
            youngOctets = 0
        }
        young.append(event)
        youngOctets += event.body.count
    }

    /// - Parameter job: nil: any.
    /// - Returns: nil when what follows `sequence` is not all here.
    package func after(_ sequence: Int64, job: JobID?, limit: Int) -> EventTail? {
        guard let first = (old.first ?? young.first)?.sequence, let last = (young.last ?? old.last)?.sequence,
            sequence >= first - 1, sequence <= last
        else { return nil }
        var events: [Event] = []
        var at = Int(sequence - first) + 1
        while at < old.count + young.count {
            let event = at < old.count ? old[at] : young[at - old.count]
            if job == nil || event.job == job {
                events.append(event)
                if events.count == limit { return EventTail(events: events, reach: event.sequence) }
            }
            at += 1
        }
        return EventTail(events: events, reach: last)
    }
}
