"""A host that is down, slow, refuses log-on, falls silent, talks garbage, or cuts the line at every octet of the dialogue: the job
says why in words, goes on when the host is well again, and is handed in once.

    python3 Tests/Campaigns/faults.py --port77 .build/debug/port77 --stride 1
"""
import collections
import json
import os
import socket
import tempfile
import threading
import time

from ground import Client, Ground, Score, Server, argument, PORT77

DECK = b"//FAULTS JOB (1),TEST\n//S1 EXEC PGM=LINES,PARM=5\n//SYSPRINT DD SYSOUT=*\n"
FINAL = ("completed", "failed", "rejected", "canceled", "expired")


def submit(client, host="demo"):
    status, job = client.json("POST", f"/v1/jobs?host={host}", body=DECK, headers={"Content-Type": "text/plain"})
    assert status == 201, job
    return job["id"]


def reason(client, identifier, words, seconds=20):
    """Waits until the job's reason has one of the words; the reason, whatever it is then."""
    deadline, seen = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        job = client.json("GET", f"/v1/jobs/{identifier}")[1]
        seen = job.get("reason") or seen
        if seen and any(word in seen for word in words):
            return seen
        if job["state"] in FINAL:
            break
        time.sleep(0.05)
    return seen or ""


def finished(client, identifier, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job = client.json("GET", f"/v1/jobs/{identifier}", headers={"Prefer": "wait=10"})[1]
        if job["state"] in FINAL:
            return job
    return job


class CuttingProxy:
    """Joins connections to the host; cuts the next one that carries the armed number of octets in the armed direction."""

    def __init__(self, port):
        self.target, self.armed, self.lock, self.fired = port, None, threading.Lock(), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def arm(self, direction, octets):
        with self.lock:
            self.armed = [direction, octets]

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            for a, b, direction in ((near, far, "received"), (far, near, "sent")):
                a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pump, args=(a, b, direction), daemon=True).start()

    def pump(self, source, sink, direction):
        try:
            while True:
                data = source.recv(65536)
                cut = False
                with self.lock:
                    if data and self.armed and self.armed[0] == direction:
                        if self.armed[1] <= len(data):
                            data, cut, self.armed = data[: self.armed[1]], True, None
                            self.fired += 1
                        else:
                            self.armed[1] -= len(data)
                if data:
                    sink.sendall(data)
                if cut or not data:
                    break
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()


def single(score, name, faults, words, config_more="", mend=None, seconds=60):
    """One host with one fault: the reason has the words, and the job completes (after `mend`, if given)."""
    ground = Ground(tempfile.mkdtemp(prefix=f"port77-faults-{name}-"), config_more=config_more)
    ground.host.start("--faults", faults) if faults else ground.host.start()
    ground.write_config()
    if faults is None:
        ground.host.kill()
    ground.gateway.start()
    client = Client(ground.gateway)
    identifier = submit(client)
    if words:
        told = reason(client, identifier, words)
        score.check(f"{name}: the job says why: {told!r}", any(word in told for word in words), told)
    if mend:
        mend(ground, client)
    job = finished(client, identifier, seconds)
    score.check(f"{name}: it goes on when the host is well", job["state"] == "completed", job)
    accepted = collections.Counter(e["key"] for e in ground.ledger() if e["event"] == "accepted")
    score.check(f"{name}: handed in once", accepted[identifier] == 1, accepted)
    score.check(f"{name}: gateway and host end on SIGTERM", ground.stop() == (0, 0), ground.folder)


def restart_well(ground, client):
    ground.host.process.poll() is None and ground.host.kill()
    ground.host.start()


def mend_logon(ground, client):
    host = client.json("GET", "/v1/hosts/demo")[1]
    assert host["state"] == "refused", host
    restart_well(ground, client)
    time.sleep(1.5)
    host = client.json("GET", "/v1/hosts/demo")[1]
    assert host["state"] == "refused", host  # not tried again by itself
    client.json("POST", "/v1/hosts/demo/retry")


def every_octet(score, stride):
    """A line cut at each octet of a whole job's dialogue, both directions, on several users of one host at once."""
    lanes = 48
    folder = tempfile.mkdtemp(prefix="port77-faults-cuts-")
    ground = Ground(folder)
    users = [argument for lane in range(lanes) for argument in ("--user", f"R{lane}:secret")]
    ground.host.start(*users)
    proxies = [CuttingProxy(ground.host.port) for _ in range(lanes)]
    with open(ground.config, "w") as file:
        file.write(f"listen: 127.0.0.1:0\ndata: {folder}/gateway\nlog: {{level: error}}\nhosts:\n")
        for lane, proxy in enumerate(proxies):
            file.write(f"  - {{id: lane{lane}, protocol: priv-rje, address: '127.0.0.1:{proxy.port}', user: R{lane}, "
                       "password: {env: PAYROLL_PASSWORD}, sessions: {min: 1, max: 1}, answer_seconds: 5}\n")
    ground.gateway.start()
    # as long as a dialogue is: sign-on and one job
    places = [("sent", n) for n in range(1, 1400, stride)] + [("received", n) for n in range(1, 700, stride)]
    work, lock, bad, jobs = iter(places), threading.Lock(), [], []

    def run(lane):
        client = Client(ground.gateway)
        while True:
            with lock:
                place = next(work, None)
            if place is None:
                return
            time.sleep(2.2)  # a session that lived 2 s: the pool's pauses begin anew, else they double up to a minute
            proxies[lane].arm(*place)
            identifier = submit(client, f"lane{lane}")
            job = finished(client, identifier)
            with lock:
                jobs.append(identifier)
                if job["state"] != "completed" or len(job["outputs"]) < 3:
                    bad.append((place, job))

    threads = [threading.Thread(target=run, args=(lane,)) for lane in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fired = sum(proxy.fired for proxy in proxies)
    accepted = collections.Counter(e["key"] for e in ground.ledger() if e["event"] == "accepted")
    print(f"cuts: {len(places)} places armed, {fired} cut a line", flush=True)
    score.check("cuts: every place that a job's dialogue reaches was cut", fired >= len(places) * 0.5, fired)
    score.check("cuts: every job completed with its output", not bad, bad[:2])
    score.check("cuts: every job was handed in once", all(accepted[i] == 1 for i in jobs), accepted.most_common(3))
    score.check("cuts: gateway and host end on SIGTERM", ground.stop() == (0, 0), folder)


def main():
    score = Score("faults")
    single(score, "down", None, ["host is down"], mend=restart_well)
    single(score, "slow", "delay=0.2", None)
    single(score, "slow octets", "slow=600", None, seconds=120)
    single(score, "log-on refused", "refuse-logon", ["refused log-on"], mend=mend_logon)
    single(score, "no sessions", "no-sessions=2", ["host is down", "no session"])
    single(score, "cannot take jobs", "refuse-input=2", ["cannot take jobs"])
    single(score, "closed before the receipt", "close-after-input=1", None)
    single(score, "garbage for a greeting", "garbage-sent=4:each", ["protocol"], mend=restart_well)
    single(score, "garbage later", "garbage-sent=260", None)
    for octets in (1, 150, 300, 420):
        single(score, f"silent after {octets} octets", f"silent-sent={octets}", None, seconds=150)
    every_octet(score, argument("stride", 7))
    score.close()


main()
