"""kill -9 of gateway, host or both at random moments under load: nothing lost, nothing run twice, print-outs equal.

    python3 Tests/Campaigns/kill.py --jobs 20000 --kills 200 --seed 7
"""
import collections
import json
import shutil
import tempfile
import threading
import time

from ground import Client, Ground, Score, argument, deck, seeded
from ledgers import LATER, Deck, Ledgers, name_of


def main():
    jobs, kills, clients = argument("jobs", argument("n", 20_000)), argument("kills", argument("n", 20_000) // 100), argument("clients", 16)
    randomness, score = seeded(), Score("kill")
    folder = tempfile.mkdtemp(prefix="port77-kill-")
    ground, ledgers, lock = Ground(folder).start(), Ledgers(), threading.Lock()
    for number in range(jobs):
        made = Deck(number, deck(number, randomness), notify=number % 8 == 0)
        assert made.body.startswith(f"//{name_of(number)} ".encode())
        ledgers.attempt(made)
    numbers, pace, stop = iter(range(jobs)), threading.Semaphore(0), threading.Event()

    def submit():
        client = Client(ground.gateway)
        while not stop.is_set():
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            pace.acquire()
            mine = ledgers.attempted[number]
            target = "/v1/jobs?host=demo" + (f"&notify={ground.receiver.url}" if mine.notify else "")
            headers = {"Content-Type": "text/plain", "Idempotency-Key": f"key-{number}"}
            while not stop.is_set():
                answer = client.call("POST", target, mine.body, headers, timeout=20)
                if answer is None:
                    time.sleep(0.02)
                    continue
                if answer[0] in LATER:
                    time.sleep(0.1)
                    continue
                with lock:
                    if answer[0] == 201:
                        ledgers.acknowledge(mine, json.loads(answer[2])["id"])
                    else:
                        ledgers.surprise(mine.name, answer[0], answer[2][:300])
                break

    threads = [threading.Thread(target=submit, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    began, done = time.monotonic(), collections.Counter()
    for count in range(kills):
        for _ in range(jobs // kills + 1):
            pace.release()
        # in the burst, and when it has been handed in
        time.sleep(randomness.choice([randomness.uniform(0, 0.1), randomness.uniform(0, 0.4)]))
        who = randomness.choice(["gateway", "gateway", "host", "both"])
        done[who] += 1
        with lock:
            ledgers.fault()
        if who in ("gateway", "both"):
            ground.gateway.kill()
        if who in ("host", "both"):
            ground.host.kill()
            ground.host.start()
        if who in ("gateway", "both"):
            ground.gateway.start()
    killed = time.monotonic() - began
    for _ in range(jobs):
        pace.release()
    for thread in threads:
        thread.join(300)
    stop.set()
    client = Client(ground.gateway)
    documents = ledgers.finals(client, 300)
    took = time.monotonic() - began
    ledgers.judge(ground, client, documents, fetched=max(1, jobs // 2000))
    ledgers.judge_events(client, ground)
    ledgers.judge_hooks(ground.receiver, None, 120)
    ledgers.report(score, "kill")
    score.check("kill: gateway and host end on SIGTERM", ground.stop() == (0, 0), folder)
    repeats = sum(count - 1 for count in ground.receiver.counts.values())
    attempts = collections.Counter(document.get("attempts") for document in documents.values())
    print(f"kill: {jobs} jobs, kills {dict(done)} in {killed:.0f} s, all ended after {took:.0f} s, judged after "
          f"{time.monotonic() - began:.0f} s; webhooks repeated {repeats}, attempts {dict(attempts)}", flush=True)
    if not score.failed:
        shutil.rmtree(folder, ignore_errors=True)
    score.close()


main()
