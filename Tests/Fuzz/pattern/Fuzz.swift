/// libFuzzer's entry. A violation traps, so that the fuzzer keeps the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    if let violation = PatternClaim.violation(Array(UnsafeBufferPointer(start: data, count: count))) {
        preconditionFailure(violation)
    }
    return 0
}
