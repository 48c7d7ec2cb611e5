"""The line of PRIV-RJE harmed at every frame of a job's dialogue, in both directions: cut before, inside and after it, fallen silent
(half-open), the frame doubled, a line of garbage before it. Each job is handed in once and completes with its print-out.

    python3 Tests/Campaigns/wire.py --rounds 1 --seed 7

A frame is a line, or the block that it announces. Positions count from the submission, and from a new sign-on. A line and its
block are doubled together, and no garbage comes between them: the protocol has lengths and no sums, so what is inside of a
block is the block, and TCP is what keeps it.
"""
import collections
import re
import shutil
import socket
import tempfile
import threading
import time

from ground import Client, Ground, Score, argument, seeded
from ledgers import FINAL, Deck, Ledgers, name_of

HARMS = ("cut before", "cut inside", "cut after", "half-open", "doubled", "garbage")
#: Frames of the sign-on, and of the job after it; beyond the last nothing is harmed, which is counted.
SIGN_ON, JOB = {"sent": 5, "received": 6}, {"sent": 10, "received": 20}
ANNOUNCED = {"sent": re.compile(rb"INPUT .*OCTETS=(\d+)"), "received": re.compile(rb"264 .*OCTETS=(\d+)")}


class Frames:
    """Cuts one direction of a connection into lines and announced blocks."""

    def __init__(self, direction):
        self.announced, self.held, self.block, self.head = ANNOUNCED[direction], b"", 0, b""

    def take(self, data):
        self.held += data
        while self.held:
            end = self.block or self.held.find(b"\n") + 1
            if not end or len(self.held) < end:
                return
            frame, self.held = self.held[:end], self.held[end:]
            head, found = self.head, None if self.block else self.announced.match(frame)
            self.block = int(found[1]) if found else 0
            self.head = frame if self.block else b""
            # the line that announced this block; whether a block follows
            yield frame, head, self.block > 0


class HarmingProxy:
    """Joins connections to the host, and harms the n-th frame from when it was armed."""

    def __init__(self, port, randomness, ledgers):
        self.target, self.randomness, self.lock = port, randomness, threading.Lock()
        self.direction, self.left, self.harm, self.fired, self.what = None, 0, None, False, b""
        self.pairs, self.ledgers = [], ledgers
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def arm(self, direction, number, harm, anew):
        with self.lock:
            self.direction, self.left, self.harm, self.fired, self.what = direction, number, harm, False, b""
            pairs, self.pairs = self.pairs, []
        for ends in pairs if anew else ():
            self.shut(*ends)

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            silent = threading.Event()
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.pairs.append((near, far))
            for source, sink, direction in ((near, far, "sent"), (far, near, "received")):
                threading.Thread(target=self.pump, args=(source, sink, direction, silent), daemon=True).start()

    def pump(self, source, sink, direction, silent):
        frames = Frames(direction)
        try:
            while data := source.recv(1 << 16):
                for frame in frames.take(data):
                    if not self.pass_on(*frame, sink, direction, silent):
                        return self.shut(source, sink)
            if not silent.is_set():
                sink.sendall(frames.held)
        except OSError:
            pass
        self.shut(source, sink)

    def pass_on(self, frame, head, is_head, sink, direction, silent):
        """- Returns: false when the line is to be cut."""
        with self.lock:
            harm = None
            if self.harm and self.direction == direction:
                self.left -= 1
                # put off to where a whole exchange begins or ends
                if self.left <= 0 and not (is_head and self.harm == "doubled") and not (head and self.harm == "garbage"):
                    harm, self.harm, self.fired, self.what = self.harm, None, True, frame[:60]
                    self.ledgers.fault()
            place = self.randomness.randrange(len(frame))
            noise = self.randomness.choice([b"THIS IS NOT THE PROTOCOL\r\n", bytes(self.randomness.randbytes(40)) + b"\r\n", b"\r\n"])
        if harm == "half-open":
            silent.set()
        if silent.is_set():
            return True
        if harm == "garbage":
            sink.sendall(noise)
        if harm != "cut before":
            sink.sendall(frame[:place] if harm == "cut inside" else frame)
        if harm == "doubled":
            sink.sendall(head + frame)
        return not (harm or "").startswith("cut")

    def shut(self, *ends):
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()


def positions():
    for harm in HARMS:
        for direction in ("sent", "received"):
            for anew, most in ((True, SIGN_ON), (False, JOB)):
                for number in range(1, most[direction] + 1):
                    yield direction, number, harm, anew


def main():
    rounds, lanes = argument("rounds", argument("n", 1)), argument("lanes", 48)
    randomness, score = seeded(), Score("wire")
    folder = tempfile.mkdtemp(prefix="port77-wire-")
    ground, ledgers, lock = Ground(folder), Ledgers(), threading.Lock()
    ground.host.start(*(word for lane in range(lanes) for word in ("--user", f"R{lane}:secret")))
    proxies = [HarmingProxy(ground.host.port, randomness, ledgers) for _ in range(lanes)]
    with open(ground.config, "w") as file:
        file.write(f"listen: 127.0.0.1:0\ndata: {ground.data}\nlog: {{level: error}}\nhosts:\n")
        for lane, proxy in enumerate(proxies):
            file.write(f"  - {{id: lane{lane}, protocol: priv-rje, address: '127.0.0.1:{proxy.port}', user: R{lane}, "
                       "password: {env: PAYROLL_PASSWORD}, sessions: {min: 1, max: 1}, answer_seconds: 2}\n")
    ground.gateway.start()
    work, numbers = iter([place for _ in range(rounds) for place in positions()]), iter(range(1, 10_000_000))
    harmed, slow, began = collections.Counter(), [], time.monotonic()
    places = 0

    def run(lane):
        nonlocal places
        client, proxy = Client(ground.gateway), proxies[lane]
        while True:
            with lock:
                place, number = next(work, None), next(numbers)
                long = randomness.randrange(4) == 0
            if place is None:
                return
            data = "".join(f"RECORD {at:05d} OF A DECK OF MANY PIECES {number:07d}\n" for at in range(3000)) if long else "ONE\n"
            deck = Deck(number, f"//{name_of(number)} JOB (1),'WIRE',CLASS=A\n//S1 EXEC PGM=IEBGENER\n//SYSPRINT DD SYSOUT=*\n"
                        f"//SYSUT2 DD SYSOUT=*\n//SYSIN DD DUMMY\n//SYSUT1 DD *\n{data}/*\n")
            # A session that lived two seconds: the pool's pauses begin anew, else they double up to a minute.
            settled = time.monotonic() + 2.1
            while time.monotonic() < settled or client.json("GET", f"/v1/hosts/lane{lane}")[1]["state"] != "up":
                if time.monotonic() > settled + 30:
                    break
                time.sleep(0.2)
            ledgers.attempt(deck)
            proxy.arm(*place)
            answer = client.json("POST", f"/v1/jobs?host=lane{lane}", body=deck.body, headers={"Content-Type": "text/plain"})
            if answer is None or answer[0] != 201:
                ledgers.surprise(place, answer)
                continue
            ledgers.acknowledge(deck, answer[1]["id"])
            deadline, job = time.monotonic() + 90, {}
            while time.monotonic() < deadline and job.get("state") not in FINAL:
                job = client.json("GET", f"/v1/jobs/{answer[1]['id']}", headers={"Prefer": "wait=10"})[1]
                host = client.json("GET", f"/v1/hosts/lane{lane}")[1]
                if host["state"] == "refused":
                    # It cannot tell garbage on the line from a wrong password or a wrong host: an operator decides.
                    harmed["retried by an operator"] += 1
                    client.json("POST", f"/v1/hosts/lane{lane}/retry")
            with lock:
                places += 1
                if proxy.fired:
                    harmed[place[2]] += 1
                if job.get("state") != "completed":
                    slow.append((place, proxy.what, job.get("state"), job.get("reason")))

    threads = [threading.Thread(target=run, args=(lane,)) for lane in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client = Client(ground.gateway)
    documents = ledgers.finals(client, 60)
    ledgers.judge(ground, client, documents)
    ledgers.judge_events(client, ground)
    score.check("wire: every harm was done in both directions", all(harmed[harm] >= 20 * rounds for harm in HARMS), harmed)
    score.check("wire: every job completed, wherever the line was harmed", not slow, slow[:8])
    ledgers.report(score, "wire")
    score.check("wire: gateway and host end on SIGTERM", ground.stop() == (0, 0), folder)
    print(f"wire: {places} positions tried, {dict(harmed)}, {time.monotonic() - began:.0f} s", flush=True)
    if not score.failed:
        shutil.rmtree(folder, ignore_errors=True)
    score.close()


main()
