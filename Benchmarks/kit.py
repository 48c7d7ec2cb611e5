"""What the rows share: contenders that take turns, their processor time and memory, wrk, and the folder of a run.

A row is a function that takes a Bench and returns a Group. A Group has cases; a case has contenders, and for each of them the figures
of every round. The first figure is the one that is compared: ratios are taken within a round, and the median of them is shown.
"""
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BUILD = os.path.join(ROOT, ".build-bench")
sys.path.insert(0, os.path.join(ROOT, "Tests", "Campaigns"))
from ground import PORT77, Ground, Server  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
OURS = "port77"
HTTP = "http: {connections: 20000, connections_per_address: 20000, idle_seconds: 600}\n"


class Group:
    """What one row group measured, as it is kept in a file."""

    def __init__(self, title):
        self.title, self.cases, self.goals, self.notes, self.scripts = title, [], [], [], []

    def case(self, name, runs):
        self.cases.append({"name": name, "runs": runs})
        return runs

    def goal(self, text, value, reached):
        self.goals.append({"text": text, "value": value, "reached": bool(reached)})


class Bench:
    def __init__(self, rounds, seconds, small):
        self.rounds, self.seconds, self.small = rounds, seconds, small
        os.makedirs(BUILD, exist_ok=True)
        self.folder = tempfile.mkdtemp(prefix="data-", dir=BUILD)
        self.servers, self.grounds = [], []

    def ground(self, more="", **options):
        """Host and gateway, in a folder on the disk that is measured."""
        folder = os.path.join(self.folder, f"ground-{len(self.grounds)}")
        ground = Ground(folder, host_data=False, config_more=HTTP + more, **options)
        self.grounds.append(ground)
        return ground

    def serve(self, name, *command):
        """A peer that says on which port it is ready."""
        server = Server(self.folder, name, lambda _: list(command), "ready").start()
        self.servers.append(server)
        return server

    def nginx(self, files):
        """Serves a folder; it cannot say its port, so one is chosen that was free."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        folder = os.path.join(self.folder, "nginx")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(HERE, "peers", "nginx.conf")) as file:
            text = file.read().replace("PORT", str(port)).replace("FILES", files).replace("FOLDER", folder)
            # Its workers are to see a folder that is only ours.
            text = text.replace("USER", "user root;\n" if os.geteuid() == 0 else "")
        with open(os.path.join(folder, "nginx.conf"), "w") as file:
            file.write(text)
        # The shell's `ready` comes before nginx listens: the first request waits for it.
        server = self.serve("nginx", "sh", "-c", f"echo nginx ready on 127.0.0.1:{port}; exec nginx -c {folder}/nginx.conf -e stderr")
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return server
            except OSError:
                time.sleep(0.05)
        raise SystemExit("nginx does not listen")

    def script(self, group, name, *words):
        """Runs a script of this folder on the same executable; what it prints goes into the results as it is."""
        print(f"  Benchmarks/{name} {' '.join(words)}", flush=True)
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, name), "--port77", PORT77, *words], cwd=ROOT, capture_output=True, text=True)
        print(done.stdout + done.stderr, flush=True)
        if done.returncode not in (0, 1) or not done.stdout:
            raise SystemExit(f"{name} ended with {done.returncode}")
        shown = [word.replace(self.folder, "FOLDER") for word in words]
        group.scripts.append({"command": " ".join(["Benchmarks/" + name, *shown]), "text": done.stdout})
        return done.stdout

    def interleave(self, contenders):
        """Every contender once a round, each round beginning with another one; the figures of each, in order."""
        runs, names = {name: [] for name in contenders}, list(contenders)
        for number in range(self.rounds):
            for name in names[number % len(names):] + names[:number % len(names)]:
                figures = contenders[name]()
                runs[name].append(figures)
                print(f"  round {number + 1}: {name!s:24} " + "  ".join(f"{k} {show(v)}" for k, v in figures.items()), flush=True)
        return runs

    def close(self):
        for ground in self.grounds:
            ground.stop()
        for server in self.servers:
            server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def show(value):
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def median(runs, name):
    return statistics.median(run[name] for run in runs)


def ratio(runs, ours, theirs, name=None):
    """The median of the ratios within a round."""
    name = name or next(iter(runs[ours][0]))
    return statistics.median(mine[name] / other[name] for mine, other in zip(runs[ours], runs[theirs]))


def family(pid):
    """The process and its children."""
    found = [pid]
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                for child in file.read().split():
                    found += family(int(child))
    except FileNotFoundError:
        pass
    return found


def cpu(server):
    """Seconds of the processor, user and system, of a server and its children."""
    total = 0
    for pid in family(server.process.pid):
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory(server, peak=False):
    """MiB resident now, or the most since `forget_peak`, children included."""
    total, word = 0, "VmHWM" if peak else "VmRSS"
    for pid in family(server.process.pid):
        with open(f"/proc/{pid}/status") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith(word))
    return total / 1024


def forget_peak(server):
    for pid in family(server.process.pid):
        with open(f"/proc/{pid}/clear_refs", "w") as file:
            file.write("5")


UNITS = {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4, "h": 3.6e6}


def wrk(server, target, connections, seconds, script=None):
    """Requests a second and latencies in ms as the client saw them, the server's processor time a request and its peak memory."""
    forget_peak(server)
    began = cpu(server)
    command = ["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency"]
    command += ["-s", script] if script else []
    text = subprocess.run(command + [f"http://127.0.0.1:{server.port}{target}"], capture_output=True, text=True, check=True).stdout
    used = cpu(server) - began
    if re.search(r"Non-2xx|Socket errors: connect [1-9]", text):
        raise SystemExit(f"wrk: {text}")
    count = int(re.search(r"(\d+) requests in", text)[1])
    parts = {p: float(n) * UNITS[u] for p, n, u in re.findall(r"^\s+(50|99)%\s+([\d.]+)(\w+)$", text, re.M)}
    return {
        "requests/s": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), "p50 ms": parts["50"], "p99 ms": parts["99"],
        "CPU us/request": used / max(1, count) * 1e6, "peak MiB": memory(server, peak=True), "requests": count}


def compiled(name, *more):
    """The path of peers/NAME.c, built when it changed."""
    source, target = os.path.join(HERE, "peers", name + ".c"), os.path.join(BUILD, "peers", name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
        subprocess.run(["cc", "-O2", "-Wall", "-pthread", "-o", target, source, *more], check=True)
    return target


def told(*command):
    """What a peer prints as one line of JSON."""
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
