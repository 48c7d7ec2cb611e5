"""A page of the list of jobs, and the start, with 1,000 and 1,000,000 jobs stored: Benchmarks/lists."""
import re

from kit import Group


def run(bench):
    group = Group("Lists and start, 1,000 and 1,000,000 jobs stored")
    jobs, requests = ("20000", "50") if bench.small else ("1000000", "300")
    text = bench.script(group, "lists", "--jobs", jobs, "--requests", requests)
    ratios = {line[:22].strip(): float(line.split()[-1]) for line in text.splitlines() if re.search(r"\d+\.\d\d +\d+\.\d\d$", line)}
    for page in ("first page", "a page far on"):
        group.goal(f"{page}: p99 at most 1.5 x that of 1,000 jobs", f"{ratios[page]:.2f} x", ratios[page] <= 1.5)
    start = float(re.search(rf"{jobs} jobs: ready after ([\d.]+) s", text)[1])
    group.goal(f"start with {int(jobs):,} jobs in 2 s", f"{start:.2f} s", start <= 2)
    return group
