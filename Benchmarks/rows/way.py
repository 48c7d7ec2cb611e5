"""The whole way: submit, run, print-out in the answer, webhook sent; beside it a PRIV-RJE station without a gateway."""
import http.client
import json
import os
import time

from kit import HERE, OURS, Group, compiled, cpu, median, told, wrk
from ground import Client

SESSIONS = 8  # of the direct station, each one job at a time


def run(bench):
    group = Group("The whole way of a job")
    users = [part for number in range(1, SESSIONS + 1) for part in ("--user", f"DIR{number}:secret")]
    ground = bench.ground(host_arguments=users).start()
    receiver = bench.serve("receiver", compiled("receiver"))
    client = Client(ground.gateway)
    # One endpoint that hears the end of every job, at more at a time than the default.
    status, endpoint = client.json("POST", "/v1/webhooks", body=json.dumps({
        "url": f"http://127.0.0.1:{receiver.port}/", "events": ["job.completed"], "concurrency": 16}).encode(),
        headers={"Content-Type": "application/json"})
    if status != 201:
        raise SystemExit(endpoint)
    deck = os.path.join(bench.folder, "deck")
    with open(deck, "w") as file:
        file.write("//WAY JOB (1),BENCH\n//S1 EXEC PGM=IEBGENER\n//SYSPRINT DD SYSOUT=*\n//SYSUT1 DD *\nHELLO\n/*\n"
                   "//SYSUT2 DD SYSOUT=*\n//SYSIN DD DUMMY\n")

    def heard():
        connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=60)
        connection.request("GET", "/")
        return json.loads(connection.getresponse().read())["count"]

    def ours(clients):
        """The clock stops when the receiver has heard the end of every job."""
        before, began, host = heard(), time.monotonic(), cpu(ground.host)
        figures = wrk(ground.gateway, "/v1/jobs?host=demo", clients, bench.seconds, os.path.join(HERE, "peers", "way.lua"))
        jobs = figures.pop("requests")
        figures.pop("requests/s")
        # Jobs whose answer wrk no longer took run to their end as well: they are counted, and so is their time.
        last, count = time.monotonic(), heard()
        while time.monotonic() < last + 0.5:
            if (more := heard()) > count:
                count, last = more, time.monotonic()
            time.sleep(0.02)
        if count - before < jobs:
            raise SystemExit(f"{jobs} jobs answered, {count - before} webhooks")
        done = count - before
        return {"jobs/s": done / (last - began), **figures, "host CPU us/job": (cpu(ground.host) - host) / done * 1e6}

    group.notes.append(
        "A client submits and waits; its answer is the print-out (`Prefer: wait`, `Accept: text/plain`). The clock runs until the "
        "receiver has heard the last job's end. The direct station stores nothing, waits for nothing, and tells nobody.")
    for clients in (1, 64, 256):
        print(f" {clients} clients")
        sessions = min(clients, SESSIONS)
        runs = group.case(f"{clients} clients", bench.interleave({
            OURS: lambda: ours(clients),
            f"direct, {sessions} session{'s' if sessions > 1 else ''}": lambda: told(
                compiled("direct"), str(ground.host.port), str(sessions), str(bench.seconds), deck)}))
        if clients == 256:
            rate = median(runs[OURS], "jobs/s")
            group.goal("at least 1,500 jobs/s", f"{rate:,.0f} jobs/s, 256 clients", rate >= 1500)
    return group
