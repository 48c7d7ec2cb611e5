"""The ledger of a client, and the judgement of three: what the client was told, what the host did, what the receiver got.

A deck is known by its job name, which no other deck of a campaign has, so nothing here depends on how the gateway names things
on the line. The judge uses the public HTTP API and the reference host's ledger, and knows nothing of the gateway's inside.
"""
import bisect
import collections
import datetime
import hashlib
import time

FINAL = ("completed", "failed", "rejected", "canceled", "expired")
#: Answers that ask the client to come again.
LATER = (429, 503)


class Deck:
    """One deck, and how its job has to end."""

    def __init__(self, number, text, ends="completed", notify=False):
        self.number, self.body, self.ends, self.notify = number, text.encode(), ends, notify
        self.name = name_of(number)


def name_of(number):
    return f"J{number:07d}"


class Ledgers:
    def __init__(self, before=None):
        # of gateways before this one, with the same host and receiver
        self.before = before
        self.attempted, self.acknowledged, self.given_up = {}, {}, set()
        self.unexpected, self.lost, self.doubled = [], [], []
        self.faults, self.recovered = [], 0
        self.uncertain, self.adopted, self.outputs, self.events = 0, 0, 0, 0

    # What the client sees.

    def attempt(self, deck):
        self.attempted[deck.number] = deck

    def acknowledge(self, deck, identifier):
        """A 201 came."""
        before = self.acknowledged.setdefault(deck.number, identifier)
        if before != identifier:
            self.doubled.append((deck.name, "one key, two jobs", before, identifier))

    def surprise(self, *what):
        self.unexpected.append(what)

    def fault(self):
        """A fault is put in now: jobs that are there and have not ended have to recover from it."""
        self.faults.append(time.time())

    def lived_through_one(self, document):
        made, ended = (datetime.datetime.fromisoformat(document[name]).timestamp() for name in ("created_at", "ended_at"))
        at = bisect.bisect_left(self.faults, made - 0.001)
        return at < len(self.faults) and self.faults[at] <= ended + 0.001

    # The judgement.

    def finals(self, client, seconds=120, alive=lambda: None, numbers=None):
        """Waits for the end of each acknowledged job, until none has ended for so many seconds. `alive` is called whenever one
        has not ended yet."""
        documents, deadline = {}, time.monotonic() + seconds
        for number in sorted(self.acknowledged if numbers is None else numbers):
            identifier = self.acknowledged[number]
            while True:
                answer = client.json("GET", f"/v1/jobs/{identifier}", headers={"Prefer": "wait=1"}, timeout=30)
                if answer and answer[0] not in LATER and (answer[0] != 200 or answer[1]["state"] in FINAL):
                    break
                alive()
                if answer and answer[0] in LATER:
                    time.sleep(0.05)
                if time.monotonic() > deadline:
                    break
            if answer and answer[0] == 200 and answer[1]["state"] in FINAL:
                deadline = time.monotonic() + seconds
            documents[number] = answer[1] if answer and answer[0] == 200 else {"state": f"answer {answer}"[:200]}
        return documents

    def judge(self, ground, client, documents, numbers=None, fetched=1):
        """Judges the jobs of `documents`. `numbers`: of the decks this host has been given (all, if left out). Of one job in
        `fetched` deck and print-out are read back octet by octet, of the others their hashes are compared."""
        runs, ended, serials = read_host(ground)
        client.close()  # reading may have taken longer than an idle connection lives
        self.faults.sort()
        for number, document in documents.items():
            deck, identifier = self.attempted[number], self.acknowledged[number]
            state = document.get("state")
            if state != deck.ends:
                self.lost.append((deck.name, identifier, f"{state}, not {deck.ends}", document.get("reason")))
                continue
            self.recovered += self.lived_through_one(document)
            if len(serials[deck.name]) > 1:
                self.doubled.append((deck.name, "accepted as several jobs", sorted(serials[deck.name])))
            if runs[deck.name] > 1:
                self.doubled.append((deck.name, "run several times"))
            self.compare(client, deck, document, ended.get(deck.name), whole=number % fetched == 0)
        known = {name_of(number) for number in (numbers if numbers is not None else self.attempted)}
        acknowledged = {name_of(number) for ledgers in (self, self.before or self)
                        for number in (*ledgers.acknowledged, *ledgers.given_up)}
        for name in serials:
            if name not in known:
                self.surprise(name, "the host has a job that nobody sent")
            elif name not in acknowledged:
                self.surprise(name, "the host has a job that was never acknowledged")

    def compare(self, client, deck, document, printed, whole):
        """Deck and print-out."""
        job = f"/v1/jobs/{document['id']}"
        if document["deck"]["sha256"] != hashlib.sha256(deck.body).hexdigest():
            self.lost.append((deck.name, "another deck is stored", document["deck"]))
        elif whole:
            answer = client.call("GET", job + "/deck", headers={"Accept": "application/octet-stream, text/plain"})
            if answer is None or answer[0] != 200 or answer[2] != deck.body:
                self.lost.append((deck.name, "its deck is not what was sent", answer and (answer[0], answer[2][:200])))
        if printed is None:
            if deck.ends in ("completed", "failed"):
                self.surprise(deck.name, "ended here, not at the host")
            return
        for file, expected in zip(document["outputs"], printed["outputs"]):
            if file["sha256"] != expected["sha256"]:
                self.lost.append((deck.name, f"output {file['number']} is not recorded as the host printed it"))
            if not whole:
                continue
            answer = client.call("GET", f"{job}/outputs/{file['number']}", headers={"Accept": "application/octet-stream"})
            got = None if answer is None or answer[0] != 200 else hashlib.sha256(answer[2]).hexdigest()
            self.outputs += 1
            if got != expected["sha256"]:
                self.lost.append((deck.name, f"output {file['number']} is not what the host printed", expected["sha256"],
                                  answer and (answer[0], answer[1].get("content-type"), answer[2][:200])))
        if len(document["outputs"]) != len(printed["outputs"]):
            self.lost.append((deck.name, "has another number of print files", len(document["outputs"])))

    def judge_events(self, client, ground):
        """The event log has no gap, each job ends in it once, and it says nothing that the host's ledger contradicts; how
        uncertain jobs went on."""
        events, accepted = all_events(client), accepted_at(ground)
        self.events += len(events)
        if [event["sequence"] for event in events] != list(range(1, len(events) + 1)):
            self.surprise("the event log has a gap or a repeat", [e["sequence"] for e in events][:20])
        stories = collections.defaultdict(list)
        for event in events:
            if event["type"].startswith("job."):
                stories[event["data"]["id"]].append(event["type"][4:])
        names = {identifier: number for number, identifier in self.acknowledged.items()}
        for identifier, story in stories.items():
            if identifier not in names:
                self.surprise(identifier, "the event log has a job that was never acknowledged", story)
            if sum(state in FINAL for state in story) > 1:
                self.doubled.append((identifier, "ended several times", story))
            for at, state in enumerate(story):
                if state == "uncertain":
                    self.uncertain += 1
                    self.adopted += story[at + 1:at + 2] == ["submitted"]
        sending = set()
        for event in events:
            number = names.get(event["data"].get("id"))
            name, at = number is not None and name_of(number), event["timestamp"]
            if event["type"] == "job.sending" and number not in sending:
                sending.add(number)
                if name in accepted and accepted[name] < at:
                    self.surprise(name, "was at the host before its first attempt was stored", accepted[name], at)
            if event["type"] == "job.queued" and event["data"].get("previous_state") in ("sending", "uncertain"):
                if name in accepted and accepted[name] < at:
                    self.surprise(name, "was called not sent when the host had it", accepted[name], at, event["data"])
        for number, identifier in self.acknowledged.items():
            deck = self.attempted[number]
            if stories[identifier][-1:] != [deck.ends]:
                self.lost.append((deck.name, identifier, "its end is not in the event log", stories[identifier]))
        return events

    def judge_hooks(self, receiver, numbers=None, seconds=60, alive=lambda: None):
        """Each end that was to be told was told, under one ID; nothing else came."""
        wanted = {self.acknowledged[n]: self.attempted[n] for n in (numbers if numbers is not None else self.acknowledged)
                  if self.attempted[n].notify}
        deadline = time.monotonic() + seconds
        while not set(wanted) <= set(receiver.by_job()) and time.monotonic() < deadline:
            alive()
            time.sleep(0.05)
        told = receiver.by_job()
        for identifier, deck in wanted.items():
            kinds = sorted(kind for _, kind in told.get(identifier, []))
            if not kinds:
                self.lost.append((deck.name, identifier, "no webhook told of its end"))
            elif kinds != [f"job.{deck.ends}"]:
                wrong = self.doubled if len(kinds) > 1 else self.lost
                wrong.append((deck.name, identifier, "other webhooks than one of its end", kinds))
        known = {identifier for ledgers in (self, self.before or self) for identifier in ledgers.acknowledged.values()}
        for identifier in told:
            if identifier not in known:
                self.surprise(identifier, "a webhook tells of a job that was never acknowledged", told[identifier])
        self.unexpected += [("webhook", *bad) for bad in receiver.bad]

    def add(self, other):
        """Takes over the ledgers of another gateway."""
        self.attempted |= other.attempted
        self.acknowledged |= other.acknowledged
        self.given_up |= other.given_up
        for name in ("unexpected", "lost", "doubled", "recovered", "uncertain", "adopted", "outputs", "events"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def bad(self):
        return self.lost + self.doubled + self.unexpected

    # The report.

    def figures(self):
        return {"attempted": len(self.attempted), "acknowledged": len(self.acknowledged), "lost": len(self.lost),
                "doubled": len(self.doubled), "unexpected": len(self.unexpected), "recovered": self.recovered,
                "uncertain": self.uncertain, "adopted": self.adopted}

    def report(self, score, name, all_acknowledged=True):
        figures = self.figures()
        if all_acknowledged:
            missing = len(set(self.attempted) - set(self.acknowledged) - self.given_up)
            score.check(f"{name}: everything attempted was acknowledged in the end", not missing, missing)
        score.check(f"{name}: lost 0", not self.lost, self.lost[:5])
        score.check(f"{name}: doubled 0", not self.doubled, self.doubled[:5])
        score.check(f"{name}: unexpected 0", not self.unexpected, self.unexpected[:5])
        score.check(f"{name}: at least 95 % of the uncertain were adopted ({self.adopted} of {self.uncertain})",
                    self.adopted >= 0.95 * self.uncertain, (self.adopted, self.uncertain))
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()), flush=True)


def read_host(ground):
    """Of the host's ledger, by job name: runs that were no repeat after a restart, the end, the submissions."""
    runs, ended, serials = collections.Counter(), {}, collections.defaultdict(set)
    for event in ground.ledger():
        name = event.get("name")
        if event["event"] in ("accepted", "restored"):
            serials[name].add(event["serial"])
        if event["event"] == "run" and not event.get("rerun"):
            runs[name] += 1
        if event["event"] == "ended" or (event["event"] == "restored" and "outcome" in event):
            ended[name] = event
    return runs, ended, serials


def accepted_at(ground):
    """When the host first had each job, by name; to the millisecond, like the times of events, by the same clock."""
    times = {}
    for event in ground.ledger():
        if event["event"] == "accepted":
            times.setdefault(event["name"], event["at"])
    return times


def all_events(client):
    events, after = [], 0
    while True:
        answer = client.json("GET", f"/v1/events?after={after}&limit=500")
        if answer is None or answer[0] != 200:
            raise SystemExit(f"the event log cannot be read: {answer}")
        events += answer[1]["items"]
        if not answer[1]["items"]:
            return events
        after = answer[1]["next_after"]
