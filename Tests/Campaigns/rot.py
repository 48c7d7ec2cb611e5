"""Bit flips and truncations of stored files: what is damaged is refused, what is handed out is right, nothing else is harmed.

    python3 Tests/Campaigns/rot.py --flips 1000 --seed 7

Spool files are damaged under a running gateway and mended again; the database is damaged between two runs, and its log between
a kill and the next start: what was acknowledged and is gone then must be said.
"""
import collections
import hashlib
import json
import os
import shutil
import tempfile
import time

from ground import Client, Ground, Score, argument, seeded
from ledgers import Deck, Ledgers, name_of

RAW = {"Accept": "application/octet-stream"}
ANY = {"Accept": "application/octet-stream, text/plain"}


def decks():
    """Small bodies, which lie in the database, and long ones, which are files."""
    for number in range(1, 25):
        head = f"//{name_of(number)} JOB (1),'ROT',CLASS=A\n"
        if number % 4 == 0:
            data = "".join(f"RECORD {at:06d} OF DECK {number:03d}, LONGER THAN A ROW MAY BE\n" for at in range(1600))
            yield Deck(number, head + "//S1 EXEC PGM=IEBGENER\n//SYSPRINT DD SYSOUT=*\n//SYSUT2 DD SYSOUT=*\n//SYSIN DD DUMMY\n"
                       f"//SYSUT1 DD *\n{data}/*\n")
        else:
            yield Deck(number, head + f"//S1 EXEC PGM=LINES,PARM={1300 if number % 4 == 1 else number}\n//SYSPRINT DD SYSOUT=*\n")


def damage(path, randomness):
    """Flips one bit, or cuts the file short. - Returns: what undoes it."""
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        if randomness.randrange(4) == 0:
            at = randomness.randrange(size)
            file.seek(at)
            tail = file.read()
            file.truncate(at)

            def undo():
                with open(path, "r+b") as file:
                    file.seek(at)
                    file.write(tail)
            return undo, f"cut at {at} of {size}"
        at, bit = randomness.randrange(size), randomness.randrange(8)
        file.seek(at)
        octet = file.read(1)[0]
        file.seek(at)
        file.write(bytes([octet ^ 1 << bit]))

        def undo():
            with open(path, "r+b") as file:
                file.seek(at)
                file.write(bytes([octet]))
        return undo, f"bit {bit} of octet {at} of {size}"


def bodies_of(document):
    yield f"/v1/jobs/{document['id']}/deck", ANY
    for file in document["outputs"]:
        yield f"/v1/jobs/{document['id']}/outputs/{file['number']}", RAW


def damage_log(ground, randomness, rounds):
    """(how often it was said, how often nothing was missing, what was missing and not said)"""
    ground.gateway.start()
    client, acknowledged = Client(ground.gateway), []
    for number in range(30):
        body = f"//LOG{number:05d} JOB (1),'LOG',CLASS=A\n// EXEC PGM=IEFBR14\n"
        answer = client.json("POST", "/v1/jobs?host=demo&hold=true", body=body, headers={"Content-Type": "text/plain"})
        if answer and answer[0] == 201:
            acknowledged.append(answer[1]["id"])
    client.close()
    ground.gateway.kill()
    killed = ground.data + ".killed"
    shutil.copytree(ground.data, killed)
    rolled_back, unharmed, unsaid = 0, 0, []
    for _ in range(rounds):
        shutil.rmtree(ground.data)
        shutil.copytree(killed, ground.data)
        _, what = damage(ground.data + "/port77.db-wal", randomness)
        ground.gateway.start()
        client = Client(ground.gateway)
        answers = [client.call("GET", f"/v1/jobs/{job}") for job in acknowledged]
        missing = [job for job, answer in zip(acknowledged, answers) if not answer or answer[0] != 200]
        said = (client.json("GET", "/v1/storage") or (0, {}))[1].get("at_start", {}).get("rolled_back")
        rolled_back += bool(said)
        unharmed += not missing
        if missing and not said:
            unsaid.append((what, len(missing)))
        client.close()
        ground.gateway.kill()
    shutil.rmtree(killed)
    return rolled_back, unharmed, unsaid


def main():
    flips, randomness, score = argument("flips", argument("n", 1000)), seeded(), Score("rot")
    of_database, of_log = argument("database", max(1, flips // 8)), argument("log", max(1, flips // 50))
    folder = tempfile.mkdtemp(prefix="port77-rot-")
    ground, ledgers = Ground(folder).start(), Ledgers()
    client, began = Client(ground.gateway), time.monotonic()
    for deck in decks():
        ledgers.attempt(deck)
        answer = client.json("POST", "/v1/jobs?host=demo", body=deck.body, headers={"Content-Type": "text/plain"})
        ledgers.acknowledge(deck, answer[1]["id"])
    documents = ledgers.finals(client)
    ledgers.judge(ground, client, documents)
    right = {}
    for document in documents.values():
        for target, accept in bodies_of(document):
            answer = client.call("GET", target, headers=accept)
            right[target] = (accept, hashlib.sha256(answer[2]).hexdigest(), len(answer[2]))
    by_hash = collections.defaultdict(list)
    for target, (_, digest, _) in right.items():
        by_hash[digest].append(target)

    def whole(target):
        """True: the right body. False: none, or one that the client sees is not whole. Else what came instead."""
        answer = client.call("GET", target, headers=right[target][0], timeout=20)
        if answer is None or answer[0] != 200:
            return False
        return hashlib.sha256(answer[2]).hexdigest() == right[target][1] or f"200 with {len(answer[2])} wrong octets"

    # Files, under a running gateway.
    files = sorted(os.path.join(where, name) for where, _, names in os.walk(ground.data + "/spool") for name in names)
    files = [path for path in files if os.path.basename(path) in by_hash]
    score.check("rot: the long bodies are files", len(files) >= 10, files)
    told, counts = collections.Counter(), collections.Counter()
    for _ in range(flips - of_database):
        path = randomness.choice(files)
        undo, what = damage(path, randomness)
        mine = by_hash[os.path.basename(path)]
        target = randomness.choice(mine)
        got = whole(target)
        if got is not False:
            ledgers.surprise(target, what, "was handed out all the same", got)
        else:
            answer = client.call("GET", target, headers=right[target][0] | {"Range": "bytes=0-0"})
            told[answer[0] if answer else "broken off"] += 1
        other = randomness.choice([one for one in right if one not in mine])
        if whole(other) is not True:
            ledgers.lost.append((other, "harmed by", target, what))
        undo()
        counts["file"] += 1
        if randomness.randrange(16) == 0 and whole(target) is not True:
            ledgers.lost.append((target, "not readable after it was mended", what))
    for target in right:
        if whole(target) is not True:
            ledgers.lost.append((target, "not whole in the end"))
    score.check("rot: the gateway ends on SIGTERM", ground.gateway.stop() == 0, folder)

    # The database, between two runs.
    sound = folder + "/sound"
    shutil.copytree(ground.data, sound)
    refused = 0
    for _ in range(of_database):
        shutil.rmtree(ground.data)
        shutil.copytree(sound, ground.data)
        undo, what = damage(ground.data + "/port77.db", randomness)
        counts["database"] += 1
        try:
            ground.gateway.start()
        except SystemExit:
            refused += 1
            code = ground.gateway.process.wait(30)
            if code <= 0:
                ledgers.surprise("the start ended with", code, what)
            continue
        served = False
        for target in randomness.sample(sorted(right), 12):
            got = whole(target)
            if isinstance(got, str):
                ledgers.surprise(target, "the database:", what, got)
            served = served or got
        for target in ("/v1/jobs?limit=100", "/v1/events?limit=100", "/v1/hosts/demo", "/metrics", "/readyz"):
            if client.call("GET", target, timeout=20) is None and ground.gateway.process.poll() is not None:
                break
        client.call("POST", "/v1/jobs?host=demo&hold=true", next(decks()).body, {"Content-Type": "text/plain"}, timeout=20)
        if client.call("GET", "/livez", timeout=20) is None or ground.gateway.process.poll() is not None:
            ledgers.surprise("the process ended", ground.gateway.process.poll(), what)
        ground.gateway.kill() if ground.gateway.process.poll() is None else None
    shutil.rmtree(ground.data)
    shutil.copytree(sound, ground.data)
    rolled_back, unharmed, unsaid = damage_log(ground, randomness, of_log)
    counts["log"] = of_log
    score.check(f"rot: of {of_log} damaged logs none takes an acknowledged job away without a word", not unsaid, unsaid[:3])
    score.check("rot: a damaged log is noticed", rolled_back > 0 or of_log == 0, unharmed)
    shutil.rmtree(ground.data)
    shutil.copytree(sound, ground.data)
    ground.gateway.start()
    ledgers.report(score, "rot")
    score.check("rot: gateway and host end on SIGTERM", ground.stop() == (0, 0), folder)
    print(f"rot: {dict(counts)} damaged, of the databases {refused} were refused at the start, "
          f"of the logs {rolled_back} said to have lost something, {unharmed} had lost nothing; a damaged file was answered by "
          f"{dict(told)}; {time.monotonic() - began:.0f} s", flush=True)
    if not score.failed:
        shutil.rmtree(folder, ignore_errors=True)
    score.close()


main()
