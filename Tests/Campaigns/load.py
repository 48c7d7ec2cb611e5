"""Jobs from many clients at once: each completed, each print-out what the host says it printed, each webhook once.

    python3 Tests/Campaigns/load.py --port77 .build/release/port77 --jobs 10000 --clients 32
"""
import json
import tempfile
import threading
import time

from ground import Client, Ground, Score, argument, deck, output_hashes, seeded


def main():
    jobs, clients = argument("jobs", 10_000), argument("clients", 32)
    randomness = seeded()
    decks = [deck(number, randomness) for number in range(jobs)]
    score = Score("load")
    folder = tempfile.mkdtemp(prefix="port77-load-")
    ground = Ground(folder, host_data=False).start()
    documents, refused, lock = {}, [], threading.Lock()
    numbers = iter(range(jobs))
    memory = []

    def work():
        client = Client(ground.gateway)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            answer = client.call("POST", f"/v1/jobs?host=demo&correlator=c{number}&notify={ground.receiver.url}",
                                 decks[number].encode(), {"Content-Type": "text/plain"})
            if answer is None or answer[0] != 201:
                with lock:
                    refused.append((number, answer))
                continue
            with lock:
                documents[json.loads(answer[2])["id"]] = number

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    descriptors = ground.gateway.descriptors()
    while any(thread.is_alive() for thread in threads):
        memory.append(ground.gateway.resident())
        time.sleep(0.5)
    submitted = time.monotonic() - began
    client = Client(ground.gateway)
    finals = {}

    def finish():
        client = Client(ground.gateway)
        while True:
            with lock:
                identifier = next(waiting, None)
            if identifier is None:
                break
            while True:
                answer = client.json("GET", f"/v1/jobs/{identifier}", headers={"Prefer": "wait=60"})
                if answer and answer[1].get("state") in ("completed", "failed", "rejected", "canceled", "expired"):
                    break
                if time.monotonic() - began > 1800:
                    break
            with lock:
                finals[identifier] = answer[1] if answer else {}
    waiting = iter(list(documents))
    threads = [threading.Thread(target=finish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        memory.append(ground.gateway.resident())
    whole = time.monotonic() - began

    score.check(f"{jobs} decks were taken", len(documents) == jobs, refused[:3])
    states = {}
    for document in finals.values():
        states[document.get("state")] = states.get(document.get("state"), 0) + 1
    score.check("every job is completed", states == {"completed": jobs}, states)

    printed = {event["key"]: event for event in ground.ledger() if event["event"] == "ended"}
    wrong = []
    for document in finals.values():
        ended = printed.get(document["id"])
        expected = [file["sha256"] for file in ended["outputs"]] if ended else "not in the host's ledger"
        if output_hashes(client, document) != expected or [f["sha256"] for f in document["outputs"]] != expected:
            wrong.append((document["id"], expected))
    score.check("every print-out is what the host printed, octet by octet", not wrong, wrong[:3])

    deadline = time.monotonic() + 60
    while len(ground.receiver.by_job()) < jobs and time.monotonic() < deadline:
        time.sleep(0.2)
    hooks = ground.receiver.by_job()
    score.check("every webhook carries a valid signature", not ground.receiver.bad, ground.receiver.bad[:3])
    lone = {job for job, events in hooks.items() if [kind for _, kind in events] == ["job.completed"]}
    score.check("one webhook a job", lone == set(finals), (len(lone), len(finals)))
    again = [event for event, count in ground.receiver.counts.items() if count != 1]
    score.check("each webhook came once", not again, again[:3])
    time.sleep(1)
    early = memory[len(memory) // 4] if memory else 0
    score.check("memory does not grow with the jobs", memory[-1] < 1.5 * early + 64, (early, memory[-1], max(memory)))
    score.check("no descriptor is left", ground.gateway.descriptors() <= descriptors + 16,
                (descriptors, ground.gateway.descriptors()))
    score.check("gateway and host end on SIGTERM", ground.stop() == (0, 0), folder)
    print(f"{jobs} jobs: submitted in {submitted:.1f} s ({jobs / submitted:.0f}/s), whole way {whole:.1f} s "
          f"({jobs / whole:.0f}/s); resident {memory[-1]:.0f} MiB, at most {max(memory):.0f} MiB", flush=True)
    score.close()


main()
