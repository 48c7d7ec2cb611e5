"""GET of one job's document: Port77 from its store, Hummingbird from memory, nginx from a file."""
import os

from kit import BUILD, OURS, ROOT, Group, median, ratio, wrk
from ground import Client


def run(bench):
    group = Group("GET one job")
    ground = bench.ground().start()
    with open(os.path.join(ROOT, "examples", "payroll.jcl"), "rb") as file:
        deck = file.read()
    client = Client(ground.gateway)
    job = client.json("POST", "/v1/jobs", body=deck, headers={"Content-Type": "text/plain", "Prefer": "wait=30"})[1]
    target = f"/v1/jobs/{job['id']}"
    document = client.call("GET", target)[2]
    files = os.path.join(bench.folder, "files")
    os.makedirs(os.path.join(files, "v1", "jobs"))
    path = files + target
    with open(path, "wb") as file:
        file.write(document)
    hummingbird = bench.serve(
        "hummingbird", os.path.join(BUILD, "release", "hummingbird-peer"), path, os.path.join(bench.folder, "peer.db"), job["id"])
    servers = {OURS: ground.gateway, "Hummingbird 2.28.1, memory": hummingbird, "nginx, file": bench.nginx(files)}
    group.notes.append(f"A finished job's document of {len(document)} octets; nginx and Hummingbird serve octets made before.")
    for connections in (1, 64, 512):
        print(f" {connections} connections")
        runs = group.case(f"{connections} connections", bench.interleave({
            name: lambda server=server: wrk(server, target, connections, bench.seconds) for name, server in servers.items()}))
        if connections == 64:
            names = list(servers)
            for name, wanted in zip(names[1:], (2, 1.2)):
                times = ratio(runs, OURS, name)
                group.goal(f"at least {wanted} x {name}", f"{times:.2f} x", times >= wanted)
            mine, best = median(runs[OURS], "p99 ms"), min(median(runs[name], "p99 ms") for name in names[1:])
            group.goal("p99 below both", f"{mine:.2f} ms against {best:.2f} ms", mine < best)
    return group
