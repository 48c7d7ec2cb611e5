"""Event streams that break off and go on: no event lost, none told twice, the same on every way.

    python3 Tests/Campaigns/streams.py --port77 .build/debug/port77 --resumes 300

Jobs run all the while. Some clients follow everything, some one job after the other; each cuts its connection at a random octet
and comes back with the last number it has, as header or as parameter. What each one has seen is compared with the event log.
"""
import json
import random
import socket
import tempfile
import threading
import time

from ground import Client, Ground, Score, argument, seeded


class Stream:
    """A reader of server-sent events that knows no library: what it was given whole, and where it is to go on."""

    def __init__(self, gateway, target, last=None, by_header=True):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=60)
        fields = "Accept: text/event-stream\r\n"
        if last is not None and by_header:
            fields += f"Last-Event-ID: {last}\r\n"
        elif last is not None:
            target += f"{'&' if '?' in target else '?'}after={last}"
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        self.raw, self.text, self.left, self.ended = b"", b"", 0, False
        while b"\r\n\r\n" not in self.raw and not self.ended:
            self.more(65536)
        head, _, self.raw = self.raw.partition(b"\r\n\r\n")
        self.status = int(head.split()[1]) if head else 0
        if self.status not in (200, 204):
            raise RuntimeError(f"{target} was answered {head + self.raw}")

    def more(self, most):
        try:
            piece = self.socket.recv(most)
        except OSError:
            piece = b""
        self.ended = self.ended or not piece
        self.raw += piece

    def events(self, octets):
        """Events that are whole within about so many octets more; then the line is cut."""
        yield from self.take()  # what came with the head
        while octets > 0 and not self.ended:
            before = len(self.raw)
            self.more(min(octets, 16384))
            octets -= max(1, len(self.raw) - before)
            yield from self.take()
        yield from self.take()

    def take(self):
        while self.raw:
            if self.left == 0:  # before a chunk's size
                if b"\r\n" not in self.raw:
                    return
                size, _, self.raw = self.raw.partition(b"\r\n")
                self.left = int(size, 16) + 2
                self.ended = self.ended or self.left == 2
            piece = self.raw[:self.left]
            self.raw, self.left = self.raw[len(piece):], self.left - len(piece)
            # A chunk that is not whole has events all the same; what ends it is no text.
            self.text += piece[:max(0, len(piece) + self.left - 2)]
            while b"\n\n" in self.text:
                block, _, self.text = self.text.partition(b"\n\n")
                event = dict(line.split(": ", 1) for line in block.decode().split("\n") if ": " in line and line[0] != ":")
                if "event" in event:
                    yield event

    def close(self):
        self.socket.close()


def main():
    resumes = argument("resumes", 300)
    randomness = seeded()
    score = Score("streams")
    ground = Ground(tempfile.mkdtemp(prefix="port77-streams-"), host_data=False).start()
    lock, made, done = threading.Lock(), [], threading.Event()
    faults, counts = [], {"global": 0, "job": 0}

    def submit(first, goes_to_host):
        client, number = Client(ground.gateway), first
        while not done.is_set():
            number += 10
            deck = f"//S{number % 9999999:07d} JOB (1),'STREAMS'\n//S1 EXEC PGM=IEFBR14\n"
            hold = "" if goes_to_host else "&hold=true"
            answer = client.call("POST", f"/v1/jobs?host=demo{hold}", deck.encode(), {"Content-Type": "text/plain"})
            if answer is None or answer[0] != 201:
                continue
            job = json.loads(answer[2])["id"]
            with lock:
                made.append(job)
            if goes_to_host:
                # The next one when this one has ended: nobody is to wait behind a long line.
                client.call("GET", f"/v1/jobs/{job}", headers={"Prefer": "wait=30"})
            else:
                done.wait(0.01)
                client.call("POST", f"/v1/jobs/{job}/cancel")

    def note(seen, event, what):
        number = int(event["id"])
        if seen and number <= seen[-1]:
            faults.append((what, "told again, or out of order", number, seen[-3:]))
        if json.loads(event["data"])["sequence"] != number:
            faults.append((what, "another number inside", number))
        seen.append(number)

    def follow_all(seed, wanted, results):
        rng, seen = random.Random(seed), []
        last = 0
        for turn in range(wanted):
            stream = Stream(ground.gateway, "/v1/events", last, by_header=turn % 2 == 0)
            for event in stream.events(rng.choice([1, 200, 900, 3000])):
                if "id" in event:
                    note(seen, event, "global")
                    last = seen[-1]
            stream.close()
            with lock:
                counts["global"] += 1
        results.append(seen)

    def follow_jobs(seed, wanted, results):
        rng, turns = random.Random(seed), 0
        while turns < wanted:
            with lock:
                job = made[-1] if made else None
            if job is None:
                time.sleep(0.01)
                continue
            seen, last, over = [], 0, False
            while not over:
                stream = Stream(ground.gateway, f"/v1/jobs/{job}/events", last, by_header=rng.random() < 0.5)
                turns += 1
                if stream.status == 204:  # nothing will come any more
                    stream.close()
                    break
                for event in stream.events(rng.choice([1, 400, 700, 1500, 50000])):
                    if event["event"] == "end":
                        over = True
                    elif "id" in event:
                        note(seen, event, job)
                        last = seen[-1]
                stream.close()
            results.append((job, seen))
        with lock:
            counts["job"] += turns

    began = time.monotonic()
    submitters = [threading.Thread(target=submit, args=(first, first == 0)) for first in range(4)]
    for thread in submitters:
        thread.start()
    followers, everything, singles = 4, [], []
    threads = [threading.Thread(target=follow_all, args=(randomness.random(), resumes // 2 // followers, everything))
               for _ in range(followers)]
    threads += [threading.Thread(target=follow_jobs, args=(randomness.random(), resumes // 2 // followers, singles))
                for _ in range(followers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    for thread in submitters:
        thread.join()

    client = Client(ground.gateway)
    log, after = [], 0
    while True:
        page = client.json("GET", f"/v1/events?after={after}&limit=500")[1]
        if not page["items"]:
            break
        log += page["items"]
        after = page["next_after"]
    numbers = [event["sequence"] for event in log]
    by_job = {}
    for event in log:
        by_job.setdefault(event["data"].get("id"), []).append(event["sequence"])
    took = time.monotonic() - began
    print(f"{counts['global']} resumes of the stream of everything, {counts['job']} of single jobs, {len(made)} jobs, "
          f"{len(log)} events, {took:.1f} s", flush=True)
    score.check("at least as many resumes as asked for", sum(counts.values()) >= resumes // followers * followers - 8, counts)
    score.check("nothing is told twice or out of order", not faults, faults[:5])
    score.check("the log has no gap", numbers == list(range(1, len(numbers) + 1)), numbers[:20])
    wrong = [seen[-5:] for seen in everything if seen != list(range(1, len(seen) + 1))]
    score.check("who follows everything has lost nothing", not wrong and all(everything), wrong[:3])
    wrong = [(job, seen, by_job.get(job)) for job, seen in singles if seen != by_job.get(job)]
    score.check(f"who follows a job has all its events ({len(singles)} jobs)", singles and not wrong, wrong[:3])
    # The long poll and the lines tell the same.
    polled, after = [], 0
    while len(polled) < len(log):
        page = client.json("GET", f"/v1/events?after={after}&wait=30&limit={randomness.randrange(1, 500)}")[1]
        if not page["items"]:
            break
        polled += [event["sequence"] for event in page["items"]]
        after = page["next_after"]
    score.check("the long poll tells the same", polled[:len(numbers)] == numbers, (len(polled), len(numbers)))
    codes = ground.stop()
    score.check("both processes ended as asked", codes == (0, 0), codes)
    score.close()


main()
