"""10,000 event streams on one job, and when each hears of its end; beside it a C program that writes one event to each."""
import datetime

from kit import OURS, Group, cpu, median, memory
from rows.crowds import Crowd
from ground import Client

NEEDLE = "event: job.completed"


JOBS = 99
DECK = b"//A JOB (1)\n//S1 EXEC PGM=IEFBR14\n"


def late(times, **more):
    """Milliseconds behind the commit, of all streams together."""
    times = sorted(times)
    return {"p99 ms": times[len(times) * 99 // 100] * 1e3, "p50 ms": times[len(times) // 2] * 1e3, "first ms": times[0] * 1e3,
            "last ms": times[-1] * 1e3, **more}


def run(bench):
    count = 495 if bench.small else 9_900  # the limit of open files is 20,000 here
    group = Group(f"{count:,} event streams")
    ground = bench.ground().start()
    client = Client(ground.gateway)
    base = memory(ground.gateway)

    def ours(jobs):
        ids = [client.json("POST", "/v1/jobs?hold=true", body=DECK, headers={"Content-Type": "text/plain"})[1]["id"]
               for _ in range(jobs)]
        crowd = Crowd(ground.gateway.port, ",".join(f"/v1/jobs/{job}/events" for job in ids), count, NEEDLE)
        crowd.line()
        open_memory, began = memory(ground.gateway), cpu(ground.gateway)
        for job in ids:
            client.json("POST", f"/v1/jobs/{job}/release")
        seen = crowd.report()
        used = cpu(ground.gateway) - began
        crowd.close()
        if sum(map(len, seen)) != count:
            raise SystemExit(f"{sum(map(len, seen))} of {count} streams heard of the end")
        behind = []
        for job, times in zip(ids, seen):
            events = client.json("GET", f"/v1/jobs/{job}/events", headers={"Accept": "application/json"})[1]["items"]
            ended = next(event["timestamp"] for event in events if event["type"] == "job.completed")
            at = datetime.datetime.fromisoformat(ended.replace("Z", "+00:00")).timestamp()
            behind += [time - at for time in times]
        return late(behind, **{"resident MiB": open_memory, "CPU ms": used * 1e3})

    def least():
        server = Crowd("serve", count)
        port = int(server.line().rsplit(":", 1)[1])
        crowd = Crowd(port, "/", count, NEEDLE)
        crowd.line()
        server.process.stdin.write("\n")
        server.process.stdin.flush()
        at, seen = server.report()["began"], crowd.report()
        crowd.close()
        server.close()
        return late([time - at for time in seen[0]])

    group.notes.append(
        "Held jobs, which are then released: each stream is told of five events or more, the C program's of one. Time runs from "
        f"the moment the end was committed. The gateway had {base:.0f} MiB before.")
    spread = group.case(f"{count:,} streams on {JOBS} jobs", bench.interleave({OURS: lambda: ours(JOBS)}))
    single = group.case(f"{count:,} streams on one job", bench.interleave({OURS: lambda: ours(1), "one write each": least}))
    peak = max(run["resident MiB"] for run in spread[OURS] + single[OURS])
    group.goal("below 200 MiB", f"{peak:.0f} MiB", peak < 200)
    for runs, name in ((spread, f"{JOBS} jobs"), (single, "one job")):
        value = median(runs[OURS], "p99 ms")
        group.goal(f"end of job seen p99 within 50 ms, streams on {name}", f"{value:.0f} ms", value <= 50)
    return group
