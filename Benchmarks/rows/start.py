"""Start after a crash, with 100,000 jobs stored and 1,000 to be gone on with: Benchmarks/recovery."""
import re

from kit import Group


def run(bench):
    group = Group("Start with unfinished jobs")
    stored, unfinished = ("2000", "100") if bench.small else ("100000", "1000")
    text = bench.script(group, "recovery", "--stored", stored, "--unfinished", unfinished)
    found = re.search(r"ready after ([\d.]+) s, first unfinished job moving after ([\d.]+) s", text)
    group.goal("ready in 2 s", f"{found[1]} s", float(found[1]) <= 2)
    return group
