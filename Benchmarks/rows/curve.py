"""Memory and latency as the load doubles from 1 client to 64: reading, storing, and the whole way."""
import os

from kit import HERE, OURS, Group, wrk
from ground import Client

DECK = b"//A JOB (1)\n//S1 EXEC PGM=IEFBR14\n"


def run(bench):
    group = Group("As the load doubles")
    ground = bench.ground().start()
    job = Client(ground.gateway).json(
        "POST", "/v1/jobs", body=DECK, headers={"Content-Type": "text/plain", "Prefer": "wait=30"})[1]["id"]
    for name, target, script in (
            ("GET a job", f"/v1/jobs/{job}", None), ("submit 2 KB", "/v1/jobs?hold=true", "submit.lua"),
            ("the whole way", "/v1/jobs?host=demo", "way.lua")):
        print(f" {name}")
        lua = script and os.path.join(HERE, "peers", script)
        runs = bench.interleave({
            clients: lambda clients=clients: wrk(ground.gateway, target, clients, bench.seconds, lua)
            for clients in (1, 2, 4, 8, 16, 32, 64)})
        group.case(name, {f"{clients} client{'s' if clients > 1 else ''}": figures for clients, figures in runs.items()})
    assert OURS not in runs
    return group
