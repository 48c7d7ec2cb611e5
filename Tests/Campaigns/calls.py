"""A scripted story of ten jobs, with a fault at the n-th system call on the data folder or a socket, for each n (or each
`--stride`-th): killed, powered off (what was not fsynced is gone), EIO, disk full, no descriptors, short writes, failed fsync.

    python3 Tests/Campaigns/calls.py --port77 .build/debug/port77 --modes kill,power --stride 10

The calls are counted and made to fail by shim.c, preloaded: strace's injection does the same at a hundredth of the speed and
cannot cut the power. After each fault the gateway is started again if it died; then everything acknowledged has to be there.
"""
import collections
import itertools
import json
import os
import random
import shutil
import tempfile
import threading
import time
import traceback

from ground import Client, Ground, Score, argument, seeded
from ledgers import Deck, LATER, Ledgers, name_of
from shim import FAIL, FAULTS, KILL, POWER, SEND, STORED, Shim, built

numbers = itertools.count(1)
numbers_lock = threading.Lock()


def next_number():
    with numbers_lock:
        return next(numbers)


def story():
    """Ten decks, each with what its submission asks for."""
    def card(number, text, **more):
        return Deck(number, f"//{name_of(number)} JOB (1),'STORY',CLASS=A\n{text}", **more)

    def lines(count):
        return f"//S1 EXEC PGM=LINES,PARM={count}\n//SYSPRINT DD SYSOUT=*\n"

    ten = [next_number() for _ in range(10)]
    data = "".join(f"RECORD {at:06d} OF A LONG DECK THAT IS A FILE OF ITS OWN {at * 7919 % 100003:06d}\n" for at in range(1400))
    return [
        (card(ten[0], lines(5), notify=True), ""),
        (card(ten[1], "//S1 EXEC PGM=IEBGENER\n//SYSPRINT DD SYSOUT=*\n//SYSUT2 DD SYSOUT=*\n//SYSIN DD DUMMY\n"
              f"//SYSUT1 DD *\n{data}/*\n", notify=True), ""),
        (card(ten[2], lines(1200), notify=True), ""),
        (card(ten[3], lines(2)), "hold release"),
        (card(ten[4], lines(3), ends="canceled", notify=True), "hold cancel"),
        (card(ten[5], "//S1 EXEC PGM=IEBGENER,PARM='\n", ends="failed"), ""),
        (card(ten[6], "//S1 EXEC PGM=RC,PARM=8\n", notify=True), ""),
        (card(ten[7], lines(60)), "put"),
        (card(ten[8], "//S1 EXEC PGM=CARDS,PARM=7\n//SYSPUNCH DD SYSOUT=B\n", notify=True), ""),
        (card(ten[9], lines(9)), "twice"),
    ]


class Lane:
    """One gateway and one host, and the stories that they live through, each with one fault."""

    def __init__(self, folder, library, mode, seed):
        self.folder, self.library, self.mode = folder, library, mode
        self.fault = FAULTS["kill" if mode == "host" else mode]
        self.kills = self.fault["action"] in (KILL, POWER)
        self.randomness = random.Random(seed)
        self.ground = Ground(folder)
        self.victim = self.ground.host if mode == "host" else self.ground.gateway
        self.total, self.ledgers, self.folders, self.given = Ledgers(), Ledgers(), 0, []
        self.met, self.hit, self.again, self.places = True, False, [], collections.Counter()
        if mode == "host":
            self.preload(f"{folder}/host")
        self.ground.host.start()
        self.fresh()

    def preload(self, data):
        self.shim = Shim(self.library, data, f"{self.folder}/control-{self.folders}")
        self.victim.environment = self.shim.environment

    def fresh(self):
        """A gateway without a past."""
        self.folders += 1
        self.ground.data = f"{self.folder}/gateway-{self.folders}"
        self.ground.write_config()
        self.ground.gateway.process = None
        if self.mode != "host":
            self.preload(self.ground.data)

    def arm(self, at):
        more = {"seed": self.randomness.choice([0, self.randomness.randrange(1, 1 << 40)])} if self.mode == "power" else {}
        self.met = self.hit = False
        self.shim.arm(at=at, **self.fault, **more)

    def start(self):
        """- Returns: whether the victim became ready. By a fault it may die, or say no and end."""
        try:
            self.victim.start()
            return True
        except SystemExit:
            code = self.victim.process.wait(30)
            if self.shim.fired == 0 or (code < 0 and not self.kills):
                self.ledgers.surprise("did not start", code, self.shim.what, log_tail(self.victim))
            return False

    def alive(self):
        """Starts what the fault has killed; a fault that kills nobody is met and ended."""
        if self.victim.process.poll() is None:
            return self.end_fault()
        if not self.kills:
            self.ledgers.surprise("the process ended", self.victim.process.returncode, self.shim.what, log_tail(self.victim))
        self.note_place()
        self.ledgers.fault()
        if self.kills and self.randomness.randrange(4) == 0:
            self.arm(self.randomness.randrange(1, 60))
            if not self.start():
                self.note_place()
            self.hit = True
        self.shim.disarm()
        for _ in range(3):
            if self.victim.process.poll() is None or self.start():
                if self.mode == "host":
                    self.call_again()
                return
        raise SystemExit(f"{self.victim.name} cannot be started any more; see {self.folder}")

    def call_again(self):
        """A host that dies within seconds of each sign-on is called more and more seldom; an operator may say: now."""
        client = Client(self.ground.gateway)
        client.call("POST", "/v1/hosts/demo/retry", timeout=10)
        client.close()

    def note_place(self):
        if self.shim.fired:
            self.hit = True
            self.places[self.shim.what.split(" ")[0]] += 1

    def call(self, client, method, target, takes, body=None, headers=None):
        """Repeats until an answer that `takes` holds."""
        deadline, later = time.monotonic() + 60, 0
        while time.monotonic() < deadline:
            answer = client.call(method, target, body, headers, timeout=20 if self.kills else 2)
            if answer is None:
                self.alive()
            elif answer[0] in LATER:
                later += 1
                if later >= 2:
                    self.alive()
                time.sleep(0.02)
            else:
                if answer[0] not in takes:
                    self.ledgers.surprise(method, target, answer[0], answer[2][:300], self.shim.what)
                return answer
        self.ledgers.surprise(method, target, "no answer for 60 s", self.shim.what)
        return None

    def submit(self, client, deck, way):
        key = f"key-{deck.number}"
        query = "?host=demo" + ("&hold=true" if "hold" in way else "")
        query += f"&notify={self.ground.receiver.url}" if deck.notify else ""
        method, path = ("PUT", f"/v1/jobs/{key}") if way == "put" else ("POST", "/v1/jobs")
        headers = {"Content-Type": "text/plain"} | ({} if way == "put" else {"Idempotency-Key": key})
        for _ in range(2 if way == "twice" else 1):
            answer = self.call(client, method, path + query, (201,), deck.body, headers)
            if answer is None or answer[0] != 201:
                return
            identifier = json.loads(answer[2])["id"]
            self.ledgers.acknowledge(deck, identifier)
        for action in way.split()[1:]:
            self.call(client, "POST", f"/v1/jobs/{identifier}/{action}", (200, 202, 409))

    def tell(self, decks):
        """From the first deck to the last webhook."""
        client = Client(self.ground.gateway)
        for deck, _ in decks:
            self.ledgers.attempt(deck)
            self.given.append(deck.number)
        for deck, way in decks:
            self.submit(client, deck, way)
        mine = [deck.number for deck, _ in decks if deck.number in self.ledgers.acknowledged]
        self.ledgers.finals(client, 60, self.alive, mine)
        self.ledgers.judge_hooks(self.ground.receiver, mine, 30, self.tick)
        self.tick()
        while self.again:
            deck, way = self.again.pop()
            self.submit(client, deck, way)
        client.close()

    def tick(self):
        if self.victim.process.poll() is not None or self.shim.fired:
            self.alive()

    def end_fault(self):
        """A fault that left the process alive: reads go on; then it ends, but a failed fsync is healed by a restart only."""
        if self.met or not self.shim.fired:
            return time.sleep(0.01)
        self.met = True
        self.note_place()
        self.ledgers.fault()
        client = Client(self.ground.gateway)
        if self.fault.get("lasting") or self.mode == "fsync":
            self.probe(client)
        if self.mode == "fsync":
            # What was acknowledged since, and rests on what that fsync lost, goes with the power.
            self.shim.arm(POWER, STORED | SEND, 1)
            client.call("GET", "/livez", timeout=5)
            self.victim.process.wait(30)
            self.shim.disarm()
            self.victim.start()
        self.shim.disarm()
        client.close()

    def probe(self, client):
        """While the fault lasts: reads are answered, and a deck is taken or put off."""
        deck = story()[0][0]
        self.ledgers.attempt(deck)
        self.given.append(deck.number)
        self.again.append((deck, ""))
        if self.mode == "emfile":
            return  # nobody can connect; the story's own connection is what is tried
        targets = ["/v1/jobs?limit=3", "/v1/hosts/demo", "/livez"]
        targets += [f"/v1/jobs/{identifier}" for identifier in list(self.ledgers.acknowledged.values())[:1]]
        for target in targets:
            answer = client.call("GET", target, timeout=5)
            if answer is None or answer[0] != 200:
                self.ledgers.surprise("reading during a fault", self.shim.what, target, answer)
        answer = client.call("POST", f"/v1/jobs?host=demo&notify={self.ground.receiver.url}", deck.body,
                             {"Content-Type": "text/plain", "Idempotency-Key": f"key-{deck.number}"}, timeout=5)
        if answer is None or answer[0] not in (201, 503):
            self.ledgers.surprise("submitting during a fault", self.shim.what, answer)
        elif answer[0] == 201:
            self.ledgers.acknowledge(deck, json.loads(answer[2])["id"])
        elif json.loads(answer[2]).get("status") != 503 or "retry-after" not in answer[1]:
            self.ledgers.surprise("a 503 that is no problem with Retry-After", answer)

    def close_folder(self):
        """Judges all that this gateway was given."""
        self.shim.disarm()
        if self.victim.process.poll() is not None and not self.start():
            raise SystemExit(f"{self.victim.name} cannot be started any more; see {self.folder}")
        client = Client(self.ground.gateway)
        documents = self.ledgers.finals(client, 60, self.tick)
        self.ledgers.judge(self.ground, client, documents, self.given)
        self.ledgers.judge_events(client, self.ground)
        self.ledgers.judge_hooks(self.ground.receiver, None, 30)
        client.close()
        self.total.add(self.ledgers)
        self.ledgers = Ledgers(self.total)

    def run(self, points, starts):
        """`points`, `starts`: numbers of calls, shared with other lanes, until one is beyond the last."""
        for at in starts if self.mode != "host" else ():
            self.arm(at)
            ready = self.start()
            if not self.shim.fired:
                starts.end()
            if not ready:
                self.note_place()
                self.shim.disarm()
                if not self.start():
                    raise SystemExit(f"cannot be started after {self.shim.what}; see {self.folder}")
            self.tell(story()[:1])
            self.close_folder()
            self.ground.gateway.kill()
            starts.took += 1
            if self.total.bad:
                starts.end()
            shutil.rmtree(self.ground.data, ignore_errors=True)
            self.fresh()
        self.shim.disarm()
        self.ground.gateway.start()
        self.tell(story())
        for at in points:
            self.arm(at)
            self.tell(story())
            self.tick()
            points.took += 1
            if not self.hit or self.ledgers.bad:
                points.end()
            self.shim.disarm()
        self.close_folder()
        for server in (self.ground.gateway, self.ground.host):
            code = server.stop()
            if code != 0:
                self.total.surprise(f"{server.name} ended on SIGTERM with", code)
        shutil.rmtree(self.folder, ignore_errors=True) if not self.total.bad else None


class Points:
    """Every `stride`-th call, handed out to the lanes, until one found the story over."""

    def __init__(self, first, stride):
        self.lock, self.next, self.stride, self.is_over, self.took = threading.Lock(), first, stride, False, 0

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            if self.is_over:
                raise StopIteration
            self.next += self.stride
            return self.next - self.stride

    def end(self):
        self.is_over = True


def log_tail(server):
    with open(os.path.join(server.folder, f"{server.name}.log"), "rb") as file:
        return file.read()[-600:].decode(errors="replace")


def campaign(mode, library, lanes, stride, randomness, score):
    began = time.monotonic()
    points, starts = Points(randomness.randrange(1, stride + 1), stride), Points(randomness.randrange(1, stride + 1), stride)
    total, places, broken = Ledgers(), collections.Counter(), []
    made = [Lane(tempfile.mkdtemp(prefix=f"port77-calls-{mode}-"), library, mode, randomness.randrange(1 << 30))
            for _ in range(lanes)]

    def work(lane):
        try:
            lane.run(points, starts)
        except BaseException as error:
            broken.append(traceback.format_exc())
            points.end()
            starts.end()
        finally:
            for server in (lane.ground.gateway, lane.ground.host):
                if server.process is not None and server.process.poll() is None:
                    server.kill()

    threads = [threading.Thread(target=work, args=(lane,)) for lane in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for lane in made:
        total.add(lane.total)
        places += lane.places
    score.check(f"calls {mode}: the campaign ran to its end", not broken, broken)
    score.check(f"calls {mode}: the fault happened", places.total() > 0)
    total.report(score, f"calls {mode}")
    print(f"calls {mode}: {points.took} points of a story of some {points.next} calls, {starts.took} of a first start, "
          f"{dict(places)}, {time.monotonic() - began:.0f} s", flush=True)


def main():
    score, randomness = Score("calls"), seeded()
    library = built()
    for mode in argument("modes", "kill,power,host,eio,enospc,emfile,short,fsync", str).split(","):
        # A gateway that met an error waits before it tries again, so more of them share a processor.
        lanes = argument("lanes", 4 if mode in ("kill", "power", "host") else 10)
        stride = argument("stride", argument("n", 10))
        # a story has few calls of these kinds
        campaign(mode, library, lanes, max(1, stride // 3) if mode in ("host", "emfile", "fsync") else stride, randomness, score)
    os.unlink(library)
    score.close()


if __name__ == "__main__":
    main()
