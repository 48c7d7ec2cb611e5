"""A print-out of 1 GiB to one client: from Port77, from nginx, and by a program that only copies the file."""
import os

from kit import OURS, Group, compiled, cpu, forget_peak, median, memory, told
from ground import Client


def run(bench):
    mebibytes = 64 if bench.small else 1024
    group = Group(f"A print-out of {mebibytes} MiB to one client")
    ground = bench.ground().start()
    client = Client(ground.gateway)
    lines = (mebibytes << 20) // 82
    job = client.json("POST", "/v1/jobs", body=f"//BIG JOB (1)\n//S1 EXEC PGM=LINES,PARM={lines}\n//SYSPRINT DD SYSOUT=*\n".encode(),
                      headers={"Content-Type": "text/plain", "Prefer": "wait=120"})[1]
    while job["state"] in ("queued", "sending", "submitted", "running", "printing"):
        job = client.json("GET", f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=120"}, timeout=150)[1]
    if job["state"] != "completed":
        raise SystemExit(job)
    output = max(job["outputs"], key=lambda output: output["octets"])
    target = output["links"]["self"]
    files = os.path.join(bench.folder, "files")
    os.makedirs(files)
    path = os.path.join(files, "print")
    with open(path, "wb") as file:
        for _ in range(output["octets"] >> 20):
            file.write(b"X" * (1 << 20))
    copy = compiled("copy")
    nginx, plain = bench.nginx(files), bench.serve("copy", copy, "serve", path)

    def take(server, target):
        forget_peak(server)
        began = cpu(server)
        taken = told(copy, "get", str(server.port), target)
        if taken["status"] != 200 or taken["octets"] < output["octets"] * 0.95:
            raise SystemExit(f"{target}: {taken}")
        return {"MB/s": taken["octets"] / taken["seconds"] / 1e6,
                "CPU s/GB": (cpu(server) - began) / taken["octets"] * 1e9, "peak MiB": memory(server, peak=True)}

    group.notes.append("As the host sent it (`format=raw`) and as text, the default, which is made from it on the way.")
    runs = group.case(f"{output['octets'] >> 20} MiB", bench.interleave({
        OURS: lambda: take(ground.gateway, f"{target}?format=raw"),
        "port77, text": lambda: take(ground.gateway, target),
        "nginx, file": lambda: take(nginx, "/print"),
        "plain copy": lambda: take(plain, "/")}))
    rate, peak = median(runs[OURS], "MB/s"), max(run["peak MiB"] for run in runs[OURS] + runs["port77, text"])
    group.goal("at least 800 MB/s", f"{rate:,.0f} MB/s", rate >= 800)
    group.goal("resident memory below 64 MiB", f"{peak:.0f} MiB", peak < 64)
    return group
