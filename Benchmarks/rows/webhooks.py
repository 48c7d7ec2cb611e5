"""Webhooks a second to one fast receiver: Benchmarks/webhooks."""
import re
import statistics

from kit import Group


def run(bench):
    group = Group("Webhooks to one fast receiver")
    events, rounds = ("2000", "1") if bench.small else ("16000", str(bench.rounds))
    for concurrency in ("4", "16"):
        text = bench.script(
            group, "webhooks", "--endpoints", "1", "--events", events, "--concurrency", concurrency, "--rounds", rounds,
            "--folder", bench.folder)
        rate = statistics.median(float(found) for found in re.findall(r"(\d+)/s; gateway", text))
        group.goal(f"5,000 deliveries/s, {concurrency} at a time", f"{rate:,.0f}/s", rate >= 5000)
    return group
