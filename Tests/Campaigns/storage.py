#!/usr/bin/env python3
"""The store at its limits, from outside: a file that may not grow, a disk that is full, no descriptor left; each answered 503
with the reason, reads going on, nothing acknowledged lost, and writing again without a restart. Then backup under load and its
restore, bodies that are gone or belong to nobody at a start, purge by hand and by age.
usage: storage.py [--port77 PATH] [--jobs N]"""
import concurrent.futures
import glob
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ground import Client, Ground, PORT77, Score, argument, deck, seeded

LARGE = "//BIG JOB (1),'LARGE',CLASS=A\n//S1 EXEC PGM=LINES,PARM=2000\n//SYSPRINT DD SYSOUT=*\n"


def large_deck(number, cards=1500):
    lines = "".join(f"RECORD {i:06d} OF DECK {number:06d} {'X' * 40}\n" for i in range(cards))
    return f"//L{number:06d} JOB (1),'LARGE',CLASS=A\n//S1 EXEC PGM=IEFBR14\n//IN DD *\n{lines}/*\n"


class Storage:
    def __init__(self, ground, score, randomness):
        self.ground, self.score, self.randomness = ground, score, randomness
        self.acknowledged = {}  # job ID to deck
        self.lock = threading.Lock()

    def submit(self, client, text):
        answer = client.call("POST", "/v1/jobs?host=demo", text.encode(), {"Content-Type": "text/plain"})
        if answer is not None and answer[0] == 201:
            with self.lock:
                self.acknowledged[json.loads(answer[2])["id"]] = text
        return answer

    def wait_ended(self, client, seconds=120):
        end = time.time() + seconds
        open_states = "held,queued,sending,uncertain,submitted,running,printing"
        while time.time() < end:
            page = client.json("GET", f"/v1/jobs?state={open_states}&limit=1")
            if page and page[0] == 200 and not page[1]["items"]:
                return True
            time.sleep(0.05)
        return False

    def verify(self, client, what):
        wrong = []
        for job, text in self.acknowledged.items():
            answer = client.call("GET", f"/v1/jobs/{job}/deck")
            if answer is None or answer[0] != 200 or answer[2] != text.encode():
                wrong.append((job, answer and answer[0]))
        self.score.check(f"{what}: all {len(self.acknowledged)} acknowledged jobs are there with their decks", not wrong, wrong)

    def limited(self, what, kind, limit, text, words):
        """Writes fail while a limit of the process is down, and work again when it is up."""
        gateway, client = self.ground.gateway, Client(self.ground.gateway)
        known = next(iter(self.acknowledged))
        client.call("GET", f"/v1/jobs/{known}")  # the connection stands
        before = resource.prlimit(gateway.process.pid, kind)
        resource.prlimit(gateway.process.pid, kind, (limit(), before[1]))
        answer = None
        for number in range(400):
            answer = self.submit(client, text(number))
            if answer is None or answer[0] != 201:
                break
        problem = json.loads(answer[2]) if answer and answer[2] else {}
        self.score.check(f"{what}: a submission is answered 503 storage-unavailable, and says why",
                         bool(answer) and answer[0] == 503 and problem.get("type") == "/problems/storage-unavailable"
                         and words in problem.get("detail", "") and "retry-after" in answer[1], (answer, problem))
        read = client.call("GET", f"/v1/jobs/{known}/deck", timeout=10)
        self.score.check(f"{what}: reads go on", bool(read) and read[0] == 200 and read[2] == self.acknowledged[known].encode(), read)
        resource.prlimit(gateway.process.pid, kind, before)
        end, answer = time.time() + 30, None
        while time.time() < end and not (answer and answer[0] == 201):
            answer = self.submit(client, text(9999))
        self.score.check(f"{what}: writing goes on without a restart", bool(answer) and answer[0] == 201, answer)
        self.verify(client, what)


def small(number):
    return f"//SMALL JOB (1),'N {number}',CLASS=A\n//S1 EXEC PGM=IEFBR14\n" + f"//* {'X' * 60}\n" * 600


def limits(storage, ground):
    client = Client(ground.gateway)
    for number in range(20):
        storage.submit(client, deck(number, storage.randomness))
    storage.wait_ended(client)
    log = os.path.join(ground.folder, "gateway", "port77.db-wal")
    storage.limited("a log that may not grow", resource.RLIMIT_FSIZE, lambda: os.path.getsize(log) + 100_000, small, "disk")
    storage.limited("a body that may not grow", resource.RLIMIT_FSIZE, lambda: 90_000, large_deck, "")
    storage.limited("no descriptor left", resource.RLIMIT_NOFILE, lambda: ground.gateway.descriptors() + 0, large_deck,
                    "Too many open files")
    storage.wait_ended(client)


def full_disk(score, randomness, folder):
    """A file system of 3 MiB; only where mounting is allowed."""
    place = os.path.join(folder, "full", "gateway")
    os.makedirs(place)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place], stderr=subprocess.DEVNULL).returncode:
        print("not run: a full file system (mounting is not allowed here)", flush=True)
        return
    ground = Ground(os.path.join(folder, "full")).start()
    try:
        storage = Storage(ground, score, randomness)
        client = Client(ground.gateway)
        # A host that takes nothing keeps the decks where they are.
        storage.submit(client, deck(1, randomness))
        answers = [storage.submit(client, large_deck(number)) for number in range(80)]
        refused = [a for a in answers if a is None or a[0] != 201]
        score.check("a full disk: what does not fit is answered 503 and named",
                    refused and all(a and a[0] == 503 and b"storage-unavailable" in a[2] for a in refused)
                    and any(b"full" in a[2] or b"No space" in a[2] for a in refused if a), refused[:2])
        ready = client.call("GET", "/readyz?verbose")
        storage.verify(client, "a full disk")
        print("readyz on the full disk:", ready and ready[2])
        # Room again: another file system cannot be had under it, so the mount grows.
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        end, answer = time.time() + 30, None
        while time.time() < end and not (answer and answer[0] == 201):
            answer = storage.submit(client, deck(2, randomness))
        score.check("a full disk: with room again it writes without a restart", bool(answer) and answer[0] == 201, answer)
        score.check("a full disk: what was stored runs to its end", storage.wait_ended(client))
        storage.verify(client, "room again")
    finally:
        ground.stop()
        subprocess.run(["umount", place])


def backup(storage, ground, folder, jobs):
    score, target = storage.score, os.path.join(folder, "copy")
    stop = threading.Event()

    def load(lane):
        client, number = Client(ground.gateway), 0
        while not stop.is_set():
            number += 1
            storage.submit(client, large_deck(number) if number % 5 == 0 else deck(lane * 100_000 + number, storage.randomness))
        client.close()
        return number

    with concurrent.futures.ThreadPoolExecutor(4) as lanes:
        running = [lanes.submit(load, lane) for lane in range(4)]
        while len(storage.acknowledged) < jobs // 2:
            time.sleep(0.02)
        with storage.lock:
            sure = dict(storage.acknowledged)
        made = subprocess.run([PORT77, "backup", target, "--config", ground.config], capture_output=True, text=True)
        while len(storage.acknowledged) < jobs:
            time.sleep(0.02)
        stop.set()
        for lane in running:
            lane.result()
    score.check("backup under load succeeds", made.returncode == 0 and "jobs up to event" in made.stdout, made)
    print(made.stdout.strip(), flush=True)
    checked = subprocess.run([PORT77, "backup", "--verify", target], capture_output=True, text=True)
    score.check("backup --verify finds it good", checked.returncode == 0 and "good." in checked.stdout, checked)
    again = subprocess.run([PORT77, "backup", target, "--config", ground.config], capture_output=True, text=True)
    score.check("a backup never overwrites one", again.returncode == 1 and "exists" in again.stderr, again)

    # Restored elsewhere, with no host to talk to: it is the history up to one event.
    last = json.load(open(os.path.join(target, "manifest.json")))["last_event"]
    restored = subprocess.run(["cp", "-r", target, os.path.join(folder, "restored")])
    other = Ground(os.path.join(folder, "elsewhere"))
    other.host.port = 1
    other.write_config()
    text = open(other.config).read().replace(f"{other.folder}/gateway", os.path.join(folder, "restored"))
    open(other.config, "w").write(text)
    other.gateway.start()
    try:
        client, live = Client(other.gateway), Client(ground.gateway)

        def events(client, last):
            found, after = [], 0
            while after < last:
                page = client.json("GET", f"/v1/events?after={after}&limit=500")[1]["items"]
                if not page:
                    break
                found += [e for e in page if e["sequence"] <= last]
                after = page[-1]["sequence"]
            return found
        ours, theirs = events(client, last), events(live, last)
        score.check(f"restored: its {last} events are the first of the gateway's", ours == theirs and len(ours) == last,
                    (len(ours), len(theirs), last))
        lost = [job for job, text in sure.items()
                if (client.call("GET", f"/v1/jobs/{job}/deck") or (0, 0, b""))[2] != text.encode()]
        score.check(f"restored: the {len(sure)} jobs acknowledged before it began are all there with their decks", not lost, lost[:3])
        bad, count, cursor = [], 0, ""
        while True:
            page = client.json("GET", f"/v1/jobs?limit=500{cursor}")[1]
            for job in page["items"]:
                count += 1
                document = client.json("GET", f"/v1/jobs/{job['id']}")[1]
                for output in document["outputs"]:
                    body = client.call("GET", f"/v1/jobs/{job['id']}/outputs/{output['number']}?format=raw")
                    if body is None or body[0] != 200 or hashlib.sha256(body[2]).hexdigest() != output["sha256"]:
                        bad.append((job["id"], output["number"]))
            if "next_cursor" not in page:
                break
            cursor = "&cursor=" + page["next_cursor"]
        score.check(f"restored: every output of its {count} jobs is what its hash says", not bad and count > 0, bad[:3])
    finally:
        other.gateway.stop()


def start_report(storage, ground):
    """Bodies whose file is gone, files that no job names, half-written ones."""
    score, spool = storage.score, os.path.join(ground.folder, "gateway", "spool")
    client = Client(ground.gateway)
    victim = next(job for job, text in storage.acknowledged.items() if len(text) > 70_000)
    sha = client.json("GET", f"/v1/jobs/{victim}")[1]["deck"]["sha256"]
    client.close()
    ground.gateway.stop()
    os.remove(os.path.join(spool, sha[:2], sha))
    stray = hashlib.sha256(b"stray").hexdigest()
    os.makedirs(os.path.join(spool, stray[:2]), exist_ok=True)
    open(os.path.join(spool, stray[:2], stray), "wb").write(b"stray")
    open(os.path.join(spool, "tmp", "body-half.tmp"), "wb").write(b"half")
    ground.gateway.start()
    found = client.json("GET", "/v1/storage")[1]
    score.check("at a start a missing body, a stray file and a half-written one are named",
                found["at_start"]["missing_bodies"] >= 1 and stray in found["at_start"]["strays"]
                and found["at_start"]["removed_temporaries"] >= 1
                and any(d["job"] == victim and d["what"] == "deck" for d in found["damaged"]), found)
    answer = client.call("GET", f"/v1/jobs/{victim}/deck")
    score.check("the missing deck is a problem that names it", answer[0] == 500 and b"/problems/corrupt" in answer[2], answer)
    log = open(os.path.join(ground.folder, "gateway.log")).read()
    score.check("the log names them", sha is not None and victim in log and stray in log, log[-600:])
    # Handed in again, the same deck is the file as it should be.
    storage.submit(client, storage.acknowledged[victim])
    storage.wait_ended(client)
    storage.verify(client, "healed by the same deck")
    os.remove(os.path.join(spool, stray[:2], stray))


def purge(storage, ground):
    score, client = storage.score, Client(ground.gateway)
    job = next(job for job, text in storage.acknowledged.items() if len(text) > 70_000)
    done = subprocess.run([PORT77, "purge", job, "--gateway", f"http://127.0.0.1:{ground.gateway.port}"], capture_output=True)
    gone = client.json("GET", f"/v1/jobs/{job}")
    score.check("port77 purge removes an ended job; it is 410 after", done.returncode == 0 and gone[0] == 410, (done, gone))
    audit = subprocess.run([PORT77, "audit", "--subject", job, "--gateway", f"http://127.0.0.1:{ground.gateway.port}"],
                           capture_output=True, text=True)
    score.check("port77 audit tells of it", "job.purge" in audit.stdout and job in audit.stdout, audit)
    storage.acknowledged.pop(job)
    storage.verify(client, "after a purge")
    client.close()
    ground.gateway.stop()
    ground.config_more = "retention: {jobs: 1s}"
    time.sleep(1.5)  # the age of the youngest: what is too young at the first look goes a minute later
    ground.write_config()
    ground.gateway.start()
    end = time.time() + 60
    while time.time() < end and client.json("GET", "/v1/jobs?limit=1")[1]["items"]:
        time.sleep(0.05)
    left = client.json("GET", "/v1/jobs?limit=5")[1]["items"]
    score.check("retention: ended jobs older than their age go", not left, left)
    end, spool = time.time() + 30, os.path.join(ground.folder, "gateway", "spool")
    while time.time() < end and glob.glob(f"{spool}/??/*"):
        time.sleep(0.05)
    score.check("retention: their files go with them", not glob.glob(f"{spool}/??/*"), glob.glob(f"{spool}/??/*")[:3])
    storage_now = client.json("GET", "/v1/storage")[1]
    score.check("retention: nothing is counted as stored", storage_now["octets"] == 0, storage_now)


def main():
    score, randomness = Score("storage"), seeded()
    folder = tempfile.mkdtemp(prefix="port77-storage-")
    ground = Ground(os.path.join(folder, "main")).start()
    storage = Storage(ground, score, randomness)
    try:
        limits(storage, ground)
        backup(storage, ground, folder, len(storage.acknowledged) + argument("jobs", 300))
        client = Client(ground.gateway)
        score.check("all jobs end", storage.wait_ended(client, 300))
        client.close()
        start_report(storage, ground)
        purge(storage, ground)
    finally:
        codes = ground.stop()
    score.check("both processes end by themselves", codes == (0, 0), codes)
    full_disk(score, randomness, folder)
    if not score.failed:
        subprocess.run(["rm", "-rf", folder])
    score.close()


main()
