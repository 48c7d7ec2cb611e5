"""Submit and status over Slurm's REST daemon, one node, beside Port77; the same client asks both."""
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

from kit import HERE, OURS, Group, compiled, cpu, told
from ground import Client

NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


class Process:
    """What `cpu` needs of a server."""

    def __init__(self, process):
        self.process = process


class Slurm:
    """munged, slurmctld, slurmd and slurmrestd in a folder of their own; slurmrestd serves no root, so it is nobody's."""

    def __init__(self):
        self.folder, self.children = tempfile.mkdtemp(prefix="port77-slurm-"), []
        os.chmod(self.folder, 0o755)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, name, *command):
        with open(self.path(name + ".log"), "ab") as log:
            child = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ, SLURM_CONF=self.path("slurm.conf")))
        self.children.append(child)
        return child

    def until(self, what, holds):
        end = time.monotonic() + 60
        while not holds():
            if time.monotonic() > end:
                raise SystemExit(f"Slurm: {what}; see {self.folder}")
            time.sleep(0.1)

    def run(self):
        for name in ("state", "spool", "rest"):
            os.mkdir(self.path(name))
        os.chown(self.path("rest"), pwd.getpwnam("nobody").pw_uid, -1)
        with open(self.path("munge.key"), "wb") as key:
            os.fchmod(key.fileno(), 0o400)
            key.write(os.urandom(128))
        ports = []
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as probe:
                ports.append(str(probe.getsockname()[1]))
        with open(os.path.join(HERE, "peers", "slurm.conf")) as file:
            text = file.read().replace("NODE", socket.gethostname().split(".")[0]).replace("FOLDER", self.folder)
        with open(self.path("slurm.conf"), "w") as file:
            file.write(text.replace("=CONTROL", "=" + ports[0]).replace("=AGENT", "=" + ports[1]))
        self.start("munged", "munged", "-F", "--force", *(
            f"--{what}={self.path('munge.' + end)}" for what, end in (
                ("key-file", "key"), ("socket", "sock"), ("pid-file", "pid"), ("seed-file", "seed"))))
        self.until("no munged", lambda: os.path.exists(self.path("munge.sock")))
        self.control = self.start("slurmctld", "slurmctld", "-D")
        self.start("slurmd", "slurmd", "-D")
        environment = dict(os.environ, SLURM_CONF=self.path("slurm.conf"))
        self.until("no idle node", lambda: "idle" in subprocess.run(
            ["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True).stdout)
        self.rest = self.start(
            "slurmrestd", *NOBODY, "slurmrestd", "-f", self.path("slurm.conf"), "-a", "rest_auth/local", "-s", "openapi/v0.0.38",
            "unix:" + self.path("rest/sock"))
        self.until("no slurmrestd", lambda: os.path.exists(self.path("rest/sock")))

    def close(self):
        for child in reversed(self.children):
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def written(bench, name, method, target, content, kind):
    path = os.path.join(bench.folder, name)
    with open(path, "wb") as file:
        file.write(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n".encode())
        file.write(content)
    return path


def run(bench):
    group = Group("Slurm's REST daemon")
    lacking = [name for name in ("munged", "slurmctld", "slurmd", "slurmrestd") if shutil.which(name, path="/usr/sbin:/usr/bin") is None]
    if lacking or os.geteuid() != 0:
        group.notes.append(f"Not run: {', '.join(lacking)} not installed." if lacking else "Not run: it needs root.")
        return group
    group.notes.append(
        "Held jobs with a script of 2 KB, one node, Slurm 22.05 of Debian 12 over a Unix socket, Port77 over TCP. Slurm writes its "
        "state every few seconds; Port77 has each job on disk before its answer.")
    ground = bench.ground().start()
    slurm = Slurm()
    ask = compiled("ask")
    try:
        slurm.run()
        padding = ("#" + "X" * 70 + "\n") * 27
        content = json.dumps({"script": "#!/bin/sh\ntrue\n" + padding, "job": {
            "name": "BENCH", "hold": True, "current_working_directory": "/tmp", "standard_output": "/dev/null",
            "standard_error": "/dev/null", "environment": {"PATH": "/bin:/usr/bin"}}}).encode()
        deck = ("//BENCH JOB (1),TEST\n// EXEC PGM=IEFBR14\n" + ("//* " + "X" * 70 + "\n") * 26).encode()
        first = Client(ground.gateway).json("POST", "/v1/jobs?hold=true", body=deck, headers={"Content-Type": "text/plain"})[1]["id"]
        rest = slurm.path("rest/sock")
        submit = (written(bench, "a", "POST", "/v1/jobs?hold=true", deck, "text/plain"),
                  written(bench, "b", "POST", "/slurm/v0.0.38/job/submit", content, "application/json"))
        number = 1  # there is one after the first submission
        status = (written(bench, "c", "GET", f"/v1/jobs/{first}", b"", "text/plain"),
                  written(bench, "d", "GET", f"/slurm/v0.0.38/job/{number}", b"", "text/plain"))

        def timed(place, path, clients, servers):
            before = sum(map(cpu, servers))
            figures = told(ask, place, path, str(clients), str(bench.seconds))
            used = sum(map(cpu, servers)) - before
            return {**figures, "CPU us/request": used / (figures["requests/s"] * bench.seconds) * 1e6}

        theirs = [Process(slurm.rest), Process(slurm.control)]
        for name, (mine, other) in (("submit", submit), ("status", status)):
            for clients in (1, 16):
                print(f" {name}, {clients} clients")
                group.case(f"{name}, {clients} client{'s' if clients > 1 else ''}", bench.interleave({
                    OURS: lambda: timed(str(ground.gateway.port), mine, clients, [ground.gateway]),
                    "slurmrestd": lambda: timed(rest, other, clients, theirs)}))
    finally:
        slurm.close()
    return group
