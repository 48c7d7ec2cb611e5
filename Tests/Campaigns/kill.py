"""kill -9 of gateway, host or both at random moments under load: nothing lost, nothing run twice, print-outs equal.

    python3 Tests/Campaigns/kill.py --jobs 2000 --kills 50 --seed 7
"""
import collections
import json
import tempfile
import threading
import time

from ground import Client, Ground, Score, argument, deck, output_hashes, seeded

FINAL = ("completed", "failed", "rejected", "canceled", "expired")


def main():
    jobs, kills, clients = argument("jobs", 2000), argument("kills", 50), argument("clients", 16)
    randomness = seeded()
    decks = [deck(number, randomness) for number in range(jobs)]
    score = Score("kill")
    folder = tempfile.mkdtemp(prefix="port77-kill-")
    ground = Ground(folder).start()
    acknowledged, lock = {}, threading.Lock()
    numbers, unexpected = iter(range(jobs)), []
    pace = threading.Semaphore(0)
    stop = threading.Event()

    def submit():
        client = Client(ground.gateway)
        while not stop.is_set():
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            pace.acquire()
            while not stop.is_set():
                answer = client.call("POST", f"/v1/jobs?host=demo&notify={ground.receiver.url}", decks[number].encode(),
                                     {"Content-Type": "text/plain", "Idempotency-Key": f"key-{number}"}, timeout=20)
                if answer is None:
                    time.sleep(0.05)
                    continue
                if answer[0] == 201:
                    with lock:
                        before = acknowledged.setdefault(number, json.loads(answer[2])["id"])
                        if before != json.loads(answer[2])["id"]:
                            unexpected.append((number, "two jobs for one key"))
                    break
                if answer[0] in (503, 409):
                    time.sleep(0.1)
                    continue
                with lock:
                    unexpected.append((number, answer[0], answer[2][:300]))
                break

    threads = [threading.Thread(target=submit, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    done = collections.Counter()
    for count in range(kills):
        for _ in range(jobs // kills + 1):
            pace.release()
        time.sleep(randomness.uniform(0.02, 0.6))
        who = randomness.choice(["gateway", "gateway", "host", "both"])
        done[who] += 1
        if who in ("gateway", "both"):
            ground.gateway.kill()
        if who in ("host", "both"):
            ground.host.kill()
            ground.host.start()
        if who in ("gateway", "both"):
            ground.gateway.start()
    for _ in range(jobs):
        pace.release()
    for thread in threads:
        thread.join(120)
    client = Client(ground.gateway)
    finals = {}
    deadline = time.monotonic() + 180
    for number, identifier in sorted(acknowledged.items()):
        while True:
            answer = client.json("GET", f"/v1/jobs/{identifier}", headers={"Prefer": "wait=30"})
            if answer and (answer[0] != 200 or answer[1].get("state") in FINAL) or time.monotonic() > deadline:
                break
        finals[identifier] = (answer or (0, {}))[1]
    took = time.monotonic() - began

    score.check(f"all {jobs} decks were acknowledged", len(acknowledged) == jobs, len(acknowledged))
    score.check("nothing unexpected was answered", not unexpected, unexpected[:5])
    lost = {i: d.get("state", d) for i, d in finals.items() if d.get("state") != "completed"}
    score.check("lost: 0 (every acknowledged job is completed)", not lost, list(lost.items())[:5])

    accepted, runs, ended = collections.defaultdict(set), collections.Counter(), {}
    for event in ground.ledger():
        if event["event"] in ("accepted", "restored"):
            accepted[event["key"]].add(event["serial"])
        if event["event"] == "run" and not event.get("rerun"):
            runs[event["key"]] += 1
        if event["event"] == "ended" or (event["event"] == "restored" and "outcome" in event):
            ended[event["key"]] = event
    doubled = [key for key, serials in accepted.items() if len(serials) > 1]
    score.check("doubled: 0 (no key was accepted as two jobs)", not doubled, doubled[:5])
    twice = [key for key, count in runs.items() if count > 1]
    score.check("no job was run twice but by a restart of the host", not twice, twice[:5])
    score.check("the host has no job that was not acknowledged", set(accepted) <= set(acknowledged.values()),
                list(set(accepted) - set(acknowledged.values()))[:5])
    wrong = []
    for identifier, document in finals.items():
        expected = [file["sha256"] for file in ended.get(identifier, {}).get("outputs", [])]
        if document.get("state") == "completed" and output_hashes(client, document) != expected:
            wrong.append((identifier, expected))
    score.check("every print-out is what the host printed, octet by octet", not wrong, wrong[:3])

    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not set(finals) <= set(ground.receiver.by_job()):
        time.sleep(0.2)
    hooks = ground.receiver.by_job()
    missing = set(finals) - set(hooks)
    score.check("every end was told by webhook", not missing, list(missing)[:5])
    many = [job for job, events in hooks.items() if len({event for event, _ in events}) != 1]
    score.check("repeated webhooks carry one id", not many, many[:5])
    score.check("every webhook is signed and has one body an id", not ground.receiver.bad, ground.receiver.bad[:3])
    score.check("gateway and host end on SIGTERM", ground.stop() == (0, 0), folder)
    repeats = sum(count - 1 for count in ground.receiver.counts.values())
    attempts = collections.Counter(document.get("attempts") for document in finals.values())
    print(f"{jobs} jobs, kills {dict(done)}, {took:.0f} s: lost {len(lost)}, doubled {len(doubled)}, webhooks repeated {repeats}, "
          f"attempts {dict(attempts)}", flush=True)
    score.close()


main()
