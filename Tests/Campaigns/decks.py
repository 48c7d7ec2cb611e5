#!/usr/bin/env python3
"""The lines of docs/decks.md and of the README's part about decks as they stand, on the host that the page describes; and batches under kill -9: all of a batch or nothing.

    Tests/Campaigns/decks.py --port77 .build/debug/port77 [--kills 5] [--seed N]
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ground import Client, Ground, Score, argument, seeded  # noqa: E402

score = Score("decks")
randomness = seeded()
folder = tempfile.mkdtemp(prefix="port77-decks-")
root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
page = open(os.path.join(root, "docs/decks.md")).read()

ground = Ground(os.path.join(folder, "ground"))
host = re.search(r"```yaml\n(.*?)```", page, re.S).group(1)
ground.host_more = host[host.index("    template:"):].strip()
ground.start()
base = f"127.0.0.1:{ground.gateway.port}"
steps = 0


def run(page):
    global steps
    for block in re.findall(r"<!-- check: decks -->\n```sh\n(.*?)```", page, re.S):
        # a line, and perhaps as a comment what its answer holds
        lines = re.findall(r"^(?!# )(.+)\n(?:# (.+)\n)?", block, re.M)
        script = "".join(f"{line}\necho; echo @@$?\n" for line, _ in lines).replace("localhost:8077", base)
        result = subprocess.run(["bash", "-c", "exec 2>&1\n" + script], cwd=folder, capture_output=True, text=True, timeout=120)
        answers = re.split(r"\n@@\d+\n", result.stdout)
        for (line, word), answer in zip(lines, answers):
            steps += 1
            if word or line.startswith("curl"):
                score.check(f"{line[:100]}", word in answer if word else "error:" not in answer and '"status":4' not in answer,
                            (word, answer))


run(page)
for name, path in (("payroll.jcl", "examples/payroll.jcl"), ("bare.jcl", None), ("night.jcl", None)):
    deck = {"bare.jcl": "//S1 EXEC PGM=IEFBR14\n", "night.jcl": "//A JOB (1)\n//S1 EXEC PGM=IEFBR14\n" * 2}.get(name)
    open(os.path.join(folder, name), "w").write(deck or open(os.path.join(root, path)).read())
run(open(os.path.join(root, "README.md")).read())
score.check("the page has lines", steps > 20, steps)

by_page = 3
# Batches, while the gateway is killed: a client that got no answer asks again with its key.
kills, size = argument("kills", 5), 5
stop = threading.Event()
ledger, lock = [], threading.Lock()


def submit(number):
    client, count = Client(ground.gateway), 0
    while not stop.is_set():
        key = f"batch-{number}-{count}"
        deck = "".join(f"//{'B'}{count % 1000:03d}{index} JOB (1),'{key}'\n//S1 EXEC PGM=IEFBR14\n" for index in range(size))
        answer = client.call("POST", "/v1/jobs?split=true", deck, {"Idempotency-Key": key}, timeout=20)
        if answer is None:
            stop.wait(0.02)
            continue
        with lock:
            ledger.append((key, answer[0], answer[1].get("location"), answer[2]))
        count += 1


threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for _ in range(kills):
    with lock:
        before = len(ledger)
    deadline = 30
    while deadline > 0:
        with lock:
            if len(ledger) > before + 10:
                break
        stop.wait(0.02)
        deadline -= 0.02
    stop.wait(randomness.random() * 0.1)
    ground.gateway.kill()
    ground.gateway.start()
stop.set()
for thread in threads:
    thread.join()
client = Client(ground.gateway)
whole = all(status == 201 for _, status, _, _ in ledger)
score.check(f"{len(ledger)} batches over {kills} kills, each answered 201", whole and len(ledger) > 10 * kills,
            [entry[:3] for entry in ledger if entry[1] != 201][:3])
places = [place for _, _, place, _ in ledger]
score.check("each is a batch of its own", len(set(places)) == len(places))
wrong = []
for key, _, place, _ in ledger:
    status, batch = client.json("GET", place)
    if status != 200 or batch["size"] != size or len(batch["jobs"]) != size:
        wrong.append((key, status, batch))
score.check(f"each has its {size} jobs", not wrong, wrong[:2])
# What was stored beside what was answered: batches whose 201 nobody heard were asked for again with their key.
stored, cursor = collections.Counter(), ""
while True:
    status, listed = client.json("GET", f"/v1/jobs?limit=500{cursor}")
    stored.update(job["batch"] for job in listed["items"] if "batch" in job)
    if "next_cursor" not in listed:
        break
    cursor = "&cursor=" + listed["next_cursor"]
torn = [(batch, count) for batch, count in stored.items() if client.json("GET", f"/v1/batches/{batch}")[1]["size"] != count]
score.check(f"none of {len(stored)} batches is there in part", not torn, torn[:3])
known = len(places) + by_page
score.check("none is there that nobody asked for", known <= len(stored) <= known + len(threads), (len(stored), known))
score.check("gateway and host end on SIGTERM", ground.stop() == (0, 0))
shutil.rmtree(folder)
score.close()
