"""Receivers of webhooks for the campaign: many addresses of loopback, one process, one epoll; and the ledger of what came.

Each endpoint has an address of its own (127.77.G.N), because the gateway limits its connections by host name. What an endpoint
does is told over a pipe and may change: `healthy` answers 204 at once, `slow` after 30 s, `flapping` 503 for two seconds out of
four, `dead` refuses connections.
"""
import base64
import hashlib
import hmac
import json
import multiprocessing
import select
import socket
import time

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
SLOW_SECONDS = 30


def events(identifier, body):
    """(id, octets as the standard mode has them) of each event that a call carries."""
    if not body.startswith(b"["):
        return [(identifier, body)]
    text, at, found = body.decode(), 1, []
    while at < len(text):
        event, end = json.JSONDecoder().raw_decode(text, at)
        found.append((event["id"], text[text.index('"data":', at) + 7:end - 1].encode()))
        at = end + 1
    return found


def address(group, number):
    return f"127.77.{group}.{number + 1}"


class Loop:
    def __init__(self, endpoints, pipe, not_port):
        self.pipe, self.epoll, self.not_port = pipe, select.epoll(), not_port
        self.listeners, self.connections, self.late = {}, {}, []
        self.kinds, self.keys = {}, {}
        self.ledger, self.bodies, self.bad = {}, {}, []
        self.bound = {}
        for name, (group, number, kind) in endpoints.items():
            self.bound[name] = [self.bind(group, number), kind]
            self.kinds[name] = kind
        for name in endpoints:
            if self.kinds[name] != "dead":
                self.listen(name)
        self.epoll.register(pipe.fileno(), select.EPOLLIN)

    def bind(self, group, number):
        while True:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind((address(group, number), 0))  # its port is refused until it listens
            if listener.getsockname()[1] != self.not_port:
                return listener
            listener.close()

    def listen(self, name):
        listener = self.bound[name][0]
        listener.listen(512)
        self.listeners[listener.fileno()] = (name, listener)
        self.epoll.register(listener.fileno(), select.EPOLLIN)

    def run(self):
        while True:
            wait = max(0, min(1, self.late[0][0] - time.monotonic())) if self.late else 1
            for descriptor, _ in self.epoll.poll(wait):
                if descriptor == self.pipe.fileno():
                    if self.command(self.pipe.recv()):
                        return
                elif descriptor in self.listeners:
                    self.accept(*self.listeners[descriptor])
                elif descriptor in self.connections:
                    self.read(descriptor)
            while self.late and self.late[0][0] <= time.monotonic():
                self.answer_late(*self.late.pop(0))

    def command(self, words):
        if words[0] == "ports":
            self.pipe.send({name: bound[0].getsockname() for name, bound in self.bound.items()})
        elif words[0] == "keys":
            self.keys.update({name: base64.b64decode(secret.removeprefix("whsec_")) for name, secret in words[1].items()})
        elif words[0] == "heal":
            for name, kind in self.kinds.items():
                self.kinds[name] = "healthy"
                if kind == "dead":
                    self.listen(name)
            for entry in self.late:
                self.answer_late(*entry)
            self.late = []
        elif words[0] == "ledger":
            self.pipe.send((self.ledger, self.bodies, self.bad))
        return words[0] == "end"

    def accept(self, name, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections[connection.fileno()] = [name, connection, b""]
            self.epoll.register(connection.fileno(), select.EPOLLIN)

    def close(self, descriptor):
        entry = self.connections.pop(descriptor, None)
        if entry:
            self.epoll.unregister(descriptor)
            entry[1].close()

    def read(self, descriptor):
        entry = self.connections[descriptor]
        try:
            piece = entry[1].recv(65536)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            return self.close(descriptor)
        entry[2] += piece
        while True:
            end = entry[2].find(b"\r\n\r\n")
            if end < 0:
                return
            fields = {}
            for line in entry[2][:end].split(b"\r\n")[1:]:
                field, _, value = line.partition(b": ")
                fields[field.lower()] = value
            length = int(fields.get(b"content-length", 0))
            if len(entry[2]) < end + 4 + length:
                return
            body = entry[2][end + 4:end + 4 + length]
            entry[2] = entry[2][end + 4 + length:]
            self.take(descriptor, entry[0], fields, body)
            if descriptor not in self.connections:
                return

    def take(self, descriptor, name, fields, body):
        now = time.time()
        call, stamp = fields.get(b"webhook-id", b"").decode(), fields.get(b"webhook-timestamp", b"0").decode()
        right = base64.b64encode(hmac.new(self.keys.get(name, b""), f"{call}.{stamp}.".encode() + body,
                                          hashlib.sha256).digest())
        if b"v1," + right not in fields.get(b"webhook-signature", b"").split() or abs(now - int(stamp)) > 300:
            self.bad.append((name, call, "signature"))
        kind, entries = self.kinds[name], []
        good = kind != "flapping" or time.monotonic() % 4 < 2
        for event, octets in events(call, body):
            if self.bodies.setdefault(event, octets) != octets:
                self.bad.append((name, event, "another body under the same id"))
            # first arrival, calls, calls answered with success
            seen = self.ledger.setdefault((name, event), [now, 0, 0])
            seen[1] += 1
            seen[2] += good and kind != "slow"
            entries.append(seen)
        if self.bodies.setdefault(call, body) != body:
            self.bad.append((name, call, "another body under the same id of a call"))
        if kind == "slow":
            return self.late.append((time.monotonic() + SLOW_SECONDS, descriptor, self.connections[descriptor][1], entries))
        self.answer(descriptor, OK if good else BUSY)

    def answer_late(self, _, descriptor, connection, entries):
        if descriptor in self.connections and self.connections[descriptor][1] is connection:
            for seen in entries:
                seen[2] += 1
            self.answer(descriptor, OK)

    def answer(self, descriptor, octets):
        try:
            self.connections[descriptor][1].send(octets)
        except OSError:
            self.close(descriptor)


def work(endpoints, pipe, not_port):
    Loop(endpoints, pipe, not_port).run()


class Receivers:
    """`endpoints`: name to (group, number, kind). `not_port`: the gateway's, which it calls at no address."""

    def __init__(self, endpoints, not_port):
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(endpoints, theirs, not_port), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, *words):
        self.pipe.send(words)
        return self.pipe.recv()

    def tell(self, *words):
        self.pipe.send(words)

    def stop(self):
        self.tell("end")
        self.process.join(10)
