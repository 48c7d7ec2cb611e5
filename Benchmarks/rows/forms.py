"""A long print-out in each form, and what clients cost that do not read: Benchmarks/outputs."""
import re

from kit import Group


def run(bench):
    group = Group("A long print-out in each form")
    text = bench.script(group, "outputs", "--mebibytes", "32" if bench.small else "1024", "--folder", bench.folder)
    found = re.search(r"outputs: (\d+) passed, (\d+) failed", text)
    group.goal("memory of each form, and of each client that does not read", found[0], int(found[2]) == 0)
    return group
