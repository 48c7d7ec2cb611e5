"""64 equal posts at once under one key, with kill -9 of the gateway between: one job, and one answer for all of them.

    python3 Tests/Campaigns/equal.py --keys 500 --seed 7
"""
import hashlib
import json
import selectors
import shutil
import socket
import tempfile
import time

from ground import Client, Ground, Score, argument, seeded
from ledgers import Deck, LATER, Ledgers, name_of

#: Keys between two kills, about.
KEYS_A_KILL = 8


class Volley:
    """Sends one request over many connections at once, until each of them has an answer."""

    def __init__(self, port, width, alive):
        self.port, self.width, self.alive, self.sockets = port, width, alive, []

    def connect(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                made = socket.create_connection(("127.0.0.1", self.port), timeout=5)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.setblocking(False)
                return made
            except OSError:
                if time.monotonic() > deadline:
                    raise
                self.alive()

    def fire(self, request, kill=None):
        """- kill: called once, after that many answers, as (answers, call). Returns the answers."""
        answers, killed = [], False
        deadline = time.monotonic() + 60
        while len(answers) < self.width and time.monotonic() < deadline:
            self.sockets += [self.connect() for _ in range(self.width - len(answers) - len(self.sockets))]
            batch, self.sockets = self.sockets[: self.width - len(answers)], self.sockets[self.width - len(answers):]
            with selectors.DefaultSelector() as selector:
                for one in batch:
                    try:
                        one.send(request)
                        selector.register(one, selectors.EVENT_READ, bytearray())
                    except OSError:
                        one.close()
                if kill and not killed and len(answers) >= kill[0]:
                    kill[1]()
                    killed = True
                while selector.get_map() and time.monotonic() < deadline:
                    for key, _ in selector.select(1):
                        answer = self.take(key.fileobj, key.data)
                        if answer is not None:
                            selector.unregister(key.fileobj)
                            if answer and answer[0] not in LATER:
                                answers.append(answer)
                            if kill and not killed and len(answers) >= kill[0]:
                                kill[1]()
                                killed = True
        return answers

    def take(self, connection, held):
        """(status, fields, body); () when the connection broke, nil when more must come."""
        try:
            data = connection.recv(1 << 16)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            connection.close()
            return ()
        held += data
        head, mark, body = bytes(held).partition(b"\r\n\r\n")
        if not mark:
            return None
        lines = head.decode().split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        if len(body) < int(fields.get("content-length", 0)):
            return None
        self.sockets.append(connection)
        return int(lines[0].split(" ")[1]), fields, body


def main():
    keys, width = argument("keys", argument("n", 500)), argument("posts", 64)
    randomness, score = seeded(), Score("equal")
    folder = tempfile.mkdtemp(prefix="port77-equal-")
    ground, ledgers, kills = Ground(folder).start(), Ledgers(), 0
    client = Client(ground.gateway)

    def alive():
        if ground.gateway.process.poll() is not None:
            ground.gateway.start()

    def kill():
        ground.gateway.kill()
        ledgers.fault()

    volley, began, unequal, repeats = Volley(ground.gateway.port, width, alive), time.monotonic(), [], 0
    for number in range(1, keys + 1):
        deck = Deck(number, f"//{name_of(number)} JOB (1),'EQUAL',CLASS=A\n//S1 EXEC PGM=LINES,PARM=3\n"
                    "//SYSPRINT DD SYSOUT=*\n", notify=number % 16 == 0)
        ledgers.attempt(deck)
        query = f"?host=demo&notify={ground.receiver.url}" if deck.notify else "?host=demo"

        def request(body):
            return (f"POST /v1/jobs{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nIdempotency-Key: equal-{number}\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n").encode() + body

        at = None
        if randomness.randrange(KEYS_A_KILL) == 0:
            at, kills = (randomness.randrange(width), kill), kills + 1
        answers = volley.fire(request(deck.body), at)
        alive()
        if len(answers) != width or {answer[0] for answer in answers} != {201}:
            ledgers.surprise(deck.name, len(answers), [answer[:1] + answer[2:] for answer in answers if answer[0] != 201][:2])
            continue
        for answer in answers:
            ledgers.acknowledge(deck, json.loads(answer[2])["id"])
        first = sum("idempotency-replayed" not in fields for _, fields, _ in answers)
        repeats += width - first
        if len({hashlib.sha256(body).digest() for _, _, body in answers}) != 1 or first > 1:
            unequal.append((deck.name, first, len({body for _, _, body in answers})))
        if number % 8 == 0:
            other = client.call("POST", f"/v1/jobs{query}", deck.body + b"//* ANOTHER\n",
                                {"Content-Type": "text/plain", "Idempotency-Key": f"equal-{number}"})
            if other is not None and other[0] != 422:
                ledgers.surprise(deck.name, "another deck under the key was answered", other[0], other[2][:200])
    took = time.monotonic() - began
    documents = ledgers.finals(client, 120, alive)
    ledgers.judge(ground, client, documents)
    ledgers.judge_events(client, ground)
    ledgers.judge_hooks(ground.receiver)
    ledgers.report(score, "equal")
    score.check("equal: all posts of a key have one answer, and at most one of them is the first", not unequal, unequal[:5])
    score.check("equal: gateway and host end on SIGTERM", ground.stop() == (0, 0), folder)
    print(f"equal: {keys} keys of {width} posts, {kills} kills, {repeats} replays, {took:.0f} s", flush=True)
    if not score.failed:
        shutil.rmtree(folder, ignore_errors=True)
    score.close()


main()
