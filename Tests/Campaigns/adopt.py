"""kill -9 of the gateway over hosts whose protocols know no submission keys: nothing lost, nothing run twice, and what is
uncertain finds its job again.

    python3 Tests/Campaigns/adopt.py --port77 .build/release/port77 --hosts rje,net --jobs 400 --kills 20 --seed 7

The policy is `hold`: a job of which nobody can tell stays uncertain. Without keys the host's list of jobs and the print-out,
with the marker card in it, have to settle it.
"""
import collections
import json
import tempfile
import threading
import time

from ground import Client, Score, argument, deck, seeded
from protocols import FINAL, ThreeProtocols

# What a host of each protocol is configured with, beside what all have.
HOSTS = {"rje": ("rfc407", "user: RMT2"), "net": ("netrjs", "terminal: RMT3")}


class Keyless(ThreeProtocols):
    def __init__(self, folder, hosts):
        super().__init__(folder)
        self.names = hosts

    def write_config(self):
        self.door = self.doors()
        hosts = "".join(f"""
  - id: {name}
    protocol: {HOSTS[name][0]}
    address: {self.door[HOSTS[name][0]]}
    {HOSTS[name][1]}
    password: {{env: PAYROLL_PASSWORD}}
    marker_card: true""" for name in self.names)
        with open(self.config, "w") as file:
            file.write(f"listen: 127.0.0.1:0\ndata: {self.folder}/gateway\nlog: {{level: notice}}\nhosts:{hosts}\n")


def main():
    hosts = argument("hosts", "rje", str).split(",")
    jobs, kills = argument("jobs", 200), argument("kills", 12)
    randomness = seeded()
    decks = [deck(number, randomness) for number in range(jobs)]
    score = Score("adopt")
    folder = tempfile.mkdtemp(prefix="port77-adopt-")
    ground = Keyless(folder, hosts).start()
    acknowledged, unexpected, lock = {}, [], threading.Lock()
    numbers, pace = iter(range(jobs)), threading.Semaphore(0)

    def submit():
        client = Client(ground.gateway)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            pace.acquire()
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                answer = client.call("POST", f"/v1/jobs?host={hosts[number % len(hosts)]}", decks[number].encode(),
                                     {"Content-Type": "text/plain", "Idempotency-Key": f"key-{number}"}, timeout=20)
                if answer is None:
                    time.sleep(0.05)
                    continue
                with lock:
                    if answer[0] == 201:
                        acknowledged[number] = json.loads(answer[2])["id"]
                    else:
                        unexpected.append((number, answer[0], answer[2][:300]))
                break

    threads = [threading.Thread(target=submit, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    for _ in range(kills):
        for _ in range(jobs // kills + 1):
            pace.release()
        time.sleep(randomness.uniform(0.05, 0.5))
        ground.gateway.kill()
        ground.gateway.start()
    for _ in range(jobs):
        pace.release()
    for thread in threads:
        thread.join(90)

    client, finals = Client(ground.gateway), {}
    deadline = time.monotonic() + 60
    for number, identifier in sorted(acknowledged.items()):
        while True:
            answer = client.json("GET", f"/v1/jobs/{identifier}", headers={"Prefer": "wait=1"})
            # Asked, and the host's list did not tell: only an operator can.
            is_settled = answer and "to be resolved by an operator" in answer[1].get("reason", "")
            if is_settled or answer and answer[1].get("state") in FINAL or time.monotonic() > deadline:
                break
        finals[number] = (answer or (0, {}))[1]
    took = time.monotonic() - began

    uncertain, settled = [], []
    for number, identifier in acknowledged.items():
        events = (client.json("GET", f"/v1/jobs/{identifier}/events?limit=100") or (0, {}))[1].get("items", [])
        if any(event["type"] == "job.uncertain" for event in events):
            uncertain.append(number)
            if finals[number].get("state") == "completed":
                settled.append(number)
    score.check(f"all {jobs} decks were acknowledged, and nothing else was answered",
                len(acknowledged) == jobs and not unexpected, (len(acknowledged), unexpected[:3]))
    states = collections.Counter(document.get("state") for document in finals.values())
    held = [number for number, document in finals.items() if document.get("state") == "uncertain"]
    lost = {number: (document.get("state"), document.get("reason")) for number, document in finals.items()
            if document.get("state") not in ("completed", "uncertain")}
    score.check("lost: 0 (each job is completed, or says that nobody can tell)", not lost, list(lost.items())[:5])
    reasons = [finals[number].get("reason") for number in held]
    score.check("each uncertain job shows what was seen",
                all(finals[number].get("uncertain", {}).get("evidence") for number in held), reasons[:3])
    accepted = collections.Counter(event.get("name") for event in ground.ledger() if event["event"] == "accepted")
    doubled = {name: count for name, count in accepted.items() if count > 1}
    score.check("doubled: 0 (the host got no deck twice)", not doubled, list(doubled.items())[:5])
    strange = set(accepted) - {f"J{number % 10_000_000:07d}" for number in acknowledged}
    score.check("the host has no job that was not acknowledged", not strange, list(strange)[:5])
    there = [number for number in held if accepted.get(f"J{number % 10_000_000:07d}")]
    score.check("adopted: at least 95 % of the uncertain jobs that the host has",
                len(settled) >= 0.95 * (len(settled) + len(there)), (len(settled), len(there), reasons[:3]))
    unclaimed = (client.json("GET", "/v1/unclaimed") or (0, {}))[1].get("items")
    score.check("no output is unclaimed", unclaimed == [], unclaimed)
    score.check("gateway and host end on SIGTERM", ground.stop() == (0, 0), folder)
    print(f"{jobs} jobs, {kills} kills, {took:.0f} s: {dict(states)}; uncertain {len(uncertain)}, adopted {len(settled)}, "
          f"held and at the host {len(there)}, held and not there {len(held) - len(there)}", flush=True)
    score.close()


main()
