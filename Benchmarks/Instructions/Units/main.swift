// units NAME COUNT: does one small work COUNT times. What one costs is the difference of two runs, divided: see count.py.
// Without words: the works, each behind how many units of the table it is.

let arguments = CommandLine.arguments
if arguments.count == 3, let chosen = works.first(where: { $0.name == arguments[1] }), let count = Int(arguments[2]) {
    for _ in 0..<count { chosen.work() }
} else {
    for work in works { print("\(work.units) \(work.name)") }
}
