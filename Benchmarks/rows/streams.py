"""10,000 event streams on one job, and when each hears of its end; beside it a C program that writes one event to each."""
import datetime

from kit import OURS, Group, cpu, median, memory
from rows.crowds import Crowd
from ground import Client

NEEDLE = "event: job.completed"


def run(bench):
    count = 500 if bench.small else 9_900  # a client address of loopback has some 28,000 ports; limit of files is 20,000 here
    group = Group(f"{count:,} event streams")
    ground = bench.ground().start()
    client = Client(ground.gateway)
    base = memory(ground.gateway)

    def ours():
        job = client.json("POST", "/v1/jobs?hold=true", body=b"//A JOB (1)\n//S1 EXEC PGM=IEFBR14\n",
                          headers={"Content-Type": "text/plain"})[1]["id"]
        crowd = Crowd(ground.gateway.port, f"/v1/jobs/{job}/events", count, NEEDLE)
        crowd.line()
        open_memory, began = memory(ground.gateway), cpu(ground.gateway)
        client.json("POST", f"/v1/jobs/{job}/release")
        seen = crowd.report()
        used = cpu(ground.gateway) - began
        crowd.close()
        if seen["seen"] != count:
            raise SystemExit(f"{seen['seen']} of {count} streams heard of the end")
        events = client.json("GET", f"/v1/jobs/{job}/events", headers={"Accept": "application/json"})[1]["items"]
        ended = next(event["timestamp"] for event in events if event["type"] == "job.completed")
        at = datetime.datetime.fromisoformat(ended.replace("Z", "+00:00")).timestamp()
        return {"p99 ms": (seen["p99"] - at) * 1e3, "p50 ms": (seen["p50"] - at) * 1e3, "first ms": (seen["first"] - at) * 1e3,
                "last ms": (seen["last"] - at) * 1e3, "resident MiB": open_memory, "CPU ms": used * 1e3}

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
        return {"p99 ms": (seen["p99"] - at) * 1e3, "p50 ms": (seen["p50"] - at) * 1e3, "first ms": (seen["first"] - at) * 1e3,
                "last ms": (seen["last"] - at) * 1e3}

    group.notes.append(
        "All on one held job, which is then released: each stream is told of five events or more, the C program's of one. Time runs from "
        f"the moment the end was committed. The gateway had {base:.0f} MiB before.")
    runs = group.case(f"{count:,} streams", bench.interleave({OURS: ours, "one write each": least}))
    peak, late = max(run["resident MiB"] for run in runs[OURS]), median(runs[OURS], "p99 ms")
    group.goal("below 200 MiB", f"{peak:.0f} MiB", peak < 200)
    group.goal("end of job seen p99 within 50 ms", f"{late:.0f} ms", late <= 50)
    return group
