package import Jobs
package import Stores
import Synchronization
package import Wire

/// What is being taken from one host at the moment, so that it can be read before it is complete. It promises nothing: what
/// a crash takes away here is asked for again, and only a commit makes it the job's output.
package final class GrowingOutputs: Sendable {
    private struct State {
        var files: [JobID: [Int: File]] = [:]
        var observers: [@Sendable (JobID) -> Void] = []
    }

    private let state = Mutex(State())

    package init() {}

    /// As far as it has come, what is rendered being that of exactly these octets.
    package struct Extent: Equatable, Sendable {
        package var octets = 0
        package var textOctets = 0
        /// Complete ones.
        package var records = 0
        /// All of it is there; the commit is to come.
        package var isWhole = false
        package init() {}
    }

    package final class File: Sendable {
        package let number: Int
        package let kind: SpoolFile.Kind
        package let step: String?
        package let ddName: String?
        package let carriageControl: CarriageControl
        package let code: String
        package let recordLength: Int
        private let body: any BodyWriter
        private let current: Mutex<Extent>

        package init(
            number: Int, kind: SpoolFile.Kind, step: String?, ddName: String?, carriageControl: CarriageControl,
            code: String, recordLength: Int, body: any BodyWriter, extent: Extent
        ) {
            self.number = number
            self.kind = kind
            self.step = step
            self.ddName = ddName
            self.carriageControl = carriageControl
            self.code = code
            self.recordLength = recordLength
            self.body = body
            current = Mutex(extent)
        }

        package var extent: Extent { current.withLock { $0 } }
        package func read(from offset: Int, count: Int) async throws(StoreError) -> [UInt8] {
            try await body.read(from: offset, count: count)
        }
        fileprivate func set(_ extent: Extent) { current.withLock { $0 = extent } }
    }

    /// In the order of their numbers.
    package func files(of job: JobID) -> [File] {
        state.withLock { $0.files[job]?.values.sorted { $0.number < $1.number } ?? [] }
    }

    package func file(_ number: Int, of job: JobID) -> File? { state.withLock { $0.files[job]?[number] } }

    /// Called when a file of a job has grown; must be quick.
    func observe(_ observer: @escaping @Sendable (JobID) -> Void) { state.withLock { $0.observers.append(observer) } }

    package func add(_ file: File, of job: JobID) {
        tell(job) { $0.files[job, default: [:]][file.number] = file }
    }

    /// Under the number behind those that the job has and those that are being taken.
    ///
    /// - Parameter last: the highest number that is stored.
    func add(to job: JobID, behind last: Int, _ make: (Int) -> File) -> File {
        tell(job) { state in
            let number = 1 + max(last, state.files[job]?.keys.max() ?? 0)
            let file = make(number)
            state.files[job, default: [:]][number] = file
            return file
        }
    }

    package func grow(_ file: File, of job: JobID, to extent: Extent) {
        file.set(extent)
        tell(job) { _ in }
    }

    /// It will be taken anew.
    package func remove(_ file: File, of job: JobID) {
        tell(job) { state in
            guard state.files[job]?[file.number] === file else { return }
            state.files[job]?[file.number] = nil
            if state.files[job]?.isEmpty == true { state.files[job] = nil }
        }
    }

    /// They are committed, or nobody takes them any more.
    package func forget(_ job: JobID) { tell(job) { $0.files[job] = nil } }

    private func tell<Result: Sendable>(_ job: JobID, _ change: (inout State) -> Result) -> Result {
        let (result, observers) = state.withLock { state in
            let result = change(&state)
            return (result, state.observers)
        }
        for observer in observers { observer(job) }
        return result
    }
}
