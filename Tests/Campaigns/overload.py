"""Five times more jobs than the host takes: what is accepted keeps its latency and is done, the rest hears when to come again.

    python3 Tests/Campaigns/overload.py --port77 .build/release/port77 --seconds 6
"""
import json
import tempfile
import threading
import time

from ground import Client, Ground, Score, argument

WAITING = 60
DECK = b"//OVERLOAD JOB (1),TEST\n//S1 EXEC PGM=IEFBR14\n"
FINAL = ("completed", "failed", "rejected", "canceled", "expired")


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


class Offer:
    """Posts at a fixed rate, whether answers come or not: a slow answer delays nobody else's post."""

    def __init__(self, gateway, rate, seconds):
        self.gateway, self.lock = gateway, threading.Lock()
        self.begin, self.step, self.count = time.monotonic(), 1 / rate, int(rate * seconds)
        self.next, self.late = 0, 0.0
        self.accepted, self.refused, self.broken = {}, [], []

    def run(self, clients=16):
        threads = [threading.Thread(target=self.work) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self

    def work(self):
        client = Client(self.gateway)
        client.call("GET", "/livez")
        while True:
            with self.lock:
                number, self.next = self.next, self.next + 1
            if number >= self.count:
                return
            due = self.begin + number * self.step
            time.sleep(max(0, due - time.monotonic()))
            began = time.monotonic()
            answer = client.call("POST", "/v1/jobs", DECK, {"Content-Type": "text/plain"})
            took = time.monotonic() - began
            with self.lock:
                self.late = max(self.late, began - due)
                if answer is None:
                    self.broken.append(number)
                elif answer[0] == 201:
                    self.accepted[json.loads(answer[2])["id"]] = took
                else:
                    self.refused.append((answer[0], answer[1].get("retry-after"), json.loads(answer[2])["type"]))


def waiting(client):
    jobs = client.json("GET", "/v1/hosts/demo")[1]["jobs"]
    return jobs.get("queued", 0) + jobs.get("held", 0)


def main():
    seconds = argument("seconds", 6)
    score = Score("overload")
    folder = tempfile.mkdtemp(prefix="port77-overload-")
    # The host's lines are slow, so that its pace is its own and not that of this machine.
    ground = Ground(folder, host_arguments=["--faults", "slow=24000"], host_data=False,
                    config_more="owner_limits: {waiting_jobs: 100000}\n")
    ground.host_more = f"limits: {{waiting_jobs: {WAITING}}}"
    ground.start()
    client = Client(ground.gateway)

    # How fast the host takes jobs when there are always some.
    offer = Offer(ground.gateway, 400, 3)
    thread = threading.Thread(target=offer.run)
    thread.start()
    while waiting(client) < WAITING // 2 and thread.is_alive():
        time.sleep(0.02)
    before, began = len(offer.accepted), time.monotonic()
    thread.join()
    # What was accepted while the line was full is what left it.
    capacity = max(1.0, (len(offer.accepted) - before) / (time.monotonic() - began))
    taken = dict(offer.accepted)

    def empty():
        deadline = time.monotonic() + 60
        while waiting(client) > 0 and time.monotonic() < deadline:
            time.sleep(0.05)

    empty()
    rest = Offer(ground.gateway, max(2.0, capacity / 4), seconds / 2).run()
    taken.update(rest.accepted)
    most, done = 0, threading.Event()

    def watch():
        nonlocal most
        client = Client(ground.gateway)
        while not done.wait(0.05):
            most = max(most, waiting(client))
    watcher = threading.Thread(target=watch)
    watcher.start()
    # The first measure may be of sessions that were still signing on: a line that was hardly ever full tells a better one.
    for _ in range(3):
        full = Offer(ground.gateway, capacity * 5, seconds).run()
        taken.update(full.accepted)
        if len(full.refused) > full.count / 3:
            break
        capacity = max(capacity, (len(full.accepted) - WAITING) / seconds)
        empty()
    done.set()
    watcher.join()

    at_rest = list(rest.accepted.values())
    at_five = list(full.accepted.values())
    figures = (f"capacity {capacity:.0f}/s; accepted at rest {len(at_rest)}: p50 {quantile(at_rest, .5) * 1e3:.1f} ms, "
               f"p99 {quantile(at_rest, .99) * 1e3:.1f} ms; at 5 x capacity {len(at_five)} of {full.count}: "
               f"p50 {quantile(at_five, .5) * 1e3:.1f} ms, p99 {quantile(at_five, .99) * 1e3:.1f} ms; most waiting {most}")
    score.check("at rest everything is accepted", not rest.refused and not rest.broken, (rest.refused[:3], rest.broken[:3]))
    score.check("no request is left without an answer", not full.broken, full.broken[:3])
    score.check("at five times the capacity much is refused", len(full.refused) > full.count / 3,
                (len(full.refused), full.count))
    wrong = [refusal for refusal in full.refused
             if refusal[0] != 503 or refusal[2] != "/problems/queue-full" or not 1 <= int(refusal[1] or 0) <= 3600]
    score.check("each refusal says why and when to come again", not wrong, wrong[:3])
    # A tenth of the line at the measured rate, give or take much: the client is told seconds, not an hour.
    times = [int(refusal[1]) for refusal in full.refused]
    score.check("Retry-After follows the rate of the host", not times or max(times) <= 10 + 2 * WAITING / capacity,
                (min(times, default=0), max(times, default=0), capacity))
    score.check("never more wait than may", most <= WAITING, most)
    # A line that grows without bound would cost seconds; a busy machine costs some tens of milliseconds.
    score.check("what is accepted keeps its latency",
                quantile(at_five, .5) <= 3 * quantile(at_rest, .5) + .1
                and quantile(at_five, .99) <= 5 * quantile(at_rest, .99) + 1, figures)
    deadline = time.monotonic() + 60 + 3 * WAITING / capacity
    lost = {}
    for identifier in taken:
        document = {}
        while document.get("state") not in FINAL and time.monotonic() < deadline:
            answer = client.json("GET", f"/v1/jobs/{identifier}", headers={"Prefer": "wait=20"})
            document = answer[1] if answer else {}
        if document.get("state") != "completed":
            lost[identifier] = document.get("state")
    score.check(f"each of {len(taken)} accepted jobs is completed", not lost, list(lost.items())[:3])
    again = client.call("POST", "/v1/jobs", DECK, {"Content-Type": "text/plain"})
    score.check("afterwards there is room again", again is not None and again[0] == 201, again)
    score.check("gateway and host end on SIGTERM", ground.stop() == (0, 0), folder)
    print(figures, flush=True)
    score.close()


main()
