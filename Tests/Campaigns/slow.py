"""Slow clients: idle ones, heads and bodies that drip, answers that nobody reads. The rest is served, memory stays bounded, and
each slow one is gone by its deadline.

    python3 Tests/Campaigns/slow.py --port77 .build/debug/port77 --share 10          # a tenth, short deadlines: for make test
    python3 Tests/Campaigns/slow.py --port77 .build/release/port77 --share 1         # 5,000 + 3 x 1,000, deadlines as shipped
"""
import collections
import multiprocessing
import resource
import select
import socket
import statistics
import tempfile
import time

from ground import Client, Ground, Score, argument

DECK = b"//LARGE JOB (1),TEST\n//S1 EXEC PGM=LINES,PARM=%d\n//SYSPRINT DD SYSOUT=*\n"
LINES = 60000


class Slow:
    """One connection that takes its time."""
    __slots__ = ("kind", "socket", "began", "ended", "said", "reset")

    def __init__(self, kind, line):
        self.kind, self.socket = kind, line
        self.began, self.ended, self.said, self.reset = time.monotonic(), None, b"", False


class Crowd:
    """All slow clients, driven by a process of their own, so that measuring does not wait for them: an octet each now and then,
    and note is taken of their end."""

    def __init__(self, port, target, counts, pace):
        self.port, self.pace, self.counts = port, pace, counts
        self.first = {
            "idle": b"", "kept": b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "head": b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Drip: ",
            "body": b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n//A",
            "unread": f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: application/octet-stream\r\n\r\n".encode()}
        self.all, self.by_descriptor, self.dripping = [], {}, collections.deque()
        self.here, there = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=self.run, args=(there,), daemon=True)
        self.process.start()
        there.close()
        self.here.recv()  # all have come

    def left(self):
        return self.process.is_alive() and not self.here.poll()

    def end_all(self):
        """What became of each."""
        if self.left():
            self.here.send("stop")
        self.all = self.here.recv()
        self.process.join()

    # In the process of the crowd.

    def connect(self):
        number = 0
        for kind, count in self.counts.items():
            for _ in range(count):
                number += 1
                line = socket.socket()
                if kind == "unread":
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                line.bind((f"127.0.{1 + number // 200 // 200}.{1 + number // 200 % 200}", 0))
                line.connect(("127.0.0.1", self.port))
                line.setblocking(False)
                slow = Slow(kind, line)
                if self.first[kind]:
                    line.send(self.first[kind])
                if kind in ("head", "body"):
                    self.dripping.append((slow.began + self.pace, slow))
                self.all.append(slow)
                self.by_descriptor[line.fileno()] = slow
                # Who does not read learns of the end by an error only.
                self.poll.register(line, select.EPOLLIN | select.EPOLLRDHUP if kind != "unread" else 0)

    def run(self, there):
        self.poll = select.epoll()
        self.connect()
        there.send("came")
        while self.by_descriptor and not there.poll():
            wait = self.dripping[0][0] - time.monotonic() if self.dripping else 0.1
            for descriptor, events in self.poll.poll(min(0.1, max(0, wait))):
                slow = self.by_descriptor.get(descriptor)
                if slow:
                    self.hear(slow, events)
            self.drip()
        for slow in self.all:
            slow.socket = None
        there.send(self.all)

    def drip(self):
        now = time.monotonic()
        while self.dripping and self.dripping[0][0] <= now:
            _, slow = self.dripping.popleft()
            if slow.ended:
                continue
            self.dripping.append((now + self.pace, slow))
            try:
                slow.socket.send(b"x")
            except BlockingIOError:
                pass
            except OSError:
                self.end(slow, True)

    def hear(self, slow, events):
        if slow.kind == "unread":
            if events & (select.EPOLLERR | select.EPOLLHUP):
                self.end(slow, True)
            return
        try:
            piece = slow.socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            return self.end(slow, True)
        slow.said += piece
        if not piece:
            self.end(slow, False)

    def end(self, slow, reset):
        slow.ended, slow.reset = time.monotonic(), reset
        self.by_descriptor.pop(slow.socket.fileno(), None)
        self.poll.unregister(slow.socket)
        slow.socket.close()


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def measure(gateway, target, seconds=None, requests=None):
    """Milliseconds of answers to a client that is in no hurry, and how many were not 200."""
    client, took, bad = Client(gateway), [], 0
    end = time.monotonic() + (seconds or 3600)
    while time.monotonic() < end and (requests is None or len(took) < requests):
        began = time.monotonic()
        answer = client.call("GET", target, timeout=30)
        took.append((time.monotonic() - began) * 1000)
        bad += answer is None or answer[0] != 200
        time.sleep(0.002)
    client.close()
    return took, bad


def main():
    share = argument("share", 10)
    is_long = share == 1
    deadlines = {"head": 10, "body": 10, "idle": 60, "stall": 30} if is_long else {
        "head": 3, "body": 3, "idle": 4, "stall": 4}
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    score = Score("slow")
    more = "" if is_long else "http: {" + ", ".join(f"{name}_seconds: {value}" for name, value in deadlines.items()) + "}\n"
    ground = Ground(tempfile.mkdtemp(prefix="port77-slow-"), host_data=False, config_more=more).start()
    client = Client(ground.gateway)
    job = client.json("POST", "/v1/jobs", body=DECK % LINES, headers={"Content-Type": "text/plain", "Prefer": "wait=60"})[1]
    files = client.json("GET", f"/v1/jobs/{job['id']}")[1]["outputs"]
    largest = max(files, key=lambda file: file["octets"])
    output, document = f"/v1/jobs/{job['id']}/outputs/{largest['number']}", f"/v1/jobs/{job['id']}"
    client.close()

    seconds = 10 if is_long else 1
    counts = {"idle": 2500 // share, "kept": 2500 // share, "head": 1000 // share, "body": 1000 // share,
              "unread": 1000 // share}
    # One machine carries all of them and others: what it does by itself shows in a round, not in the middle one of five.
    ratios, rounds = [], 5 if is_long else 1
    for number in range(rounds):
        quiet, bad = measure(ground.gateway, document, seconds=seconds)
        before = ground.gateway.resident() if number == 0 else before
        began = time.monotonic()
        crowd = Crowd(ground.gateway.port, output, counts, pace=0.5)
        came = time.monotonic() - began
        # The first request waits until all that came before it are let in.
        (first,), bad_first = measure(ground.gateway, document, requests=1)
        busy, bad_busy = measure(ground.gateway, document, seconds=seconds)
        ratios.append(quantile(busy, .99) / quantile(quiet, .99))
        if number < rounds - 1:
            crowd.end_all()
    most, peak = sum(counts.values()), ground.gateway.resident()
    longest = max(deadlines.values()) + 40
    while crowd.left() and time.monotonic() < began + came + longest:
        peak = max(peak, ground.gateway.resident())
        time.sleep(0.1)
    after, bad_after = measure(ground.gateway, document, requests=100)
    crowd.end_all()

    print(f"{most} slow clients came within {came:.1f} s, the next request took {first:.0f} ms; {len(busy)} requests beside them: p50 {quantile(busy, .5):.2f} ms, p99 "
          f"{quantile(busy, .99):.2f} ms, before {quantile(quiet, .5):.2f} and {quantile(quiet, .99):.2f} ms; resident "
          f"{before:.0f} MiB, then {peak:.0f} MiB at most", flush=True)
    score.check("everybody else is served, before, beside and after them", bad + bad_first + bad_busy + bad_after == 0 and after,
                (bad, bad_first, bad_busy, bad_after))
    if is_long:
        words = " ".join(f"{ratio:.2f}" for ratio in ratios)
        score.check(f"p99 beside them is below twice that before, in the middle one of the rounds: {words}",
                    statistics.median(ratios) < 2, ratios)
    # 256 KiB for each that does not read, 8 KiB for each other.
    bound = (counts["unread"] * 256 + (most - counts["unread"]) * 8) / 1024 + 32
    score.check(f"memory grows by less than {bound:.0f} MiB", peak - before < bound, (before, peak))
    limits = {"idle": deadlines["head"], "kept": deadlines["idle"], "head": deadlines["head"], "body": deadlines["body"],
              "unread": deadlines["stall"]}
    for kind, limit in limits.items():
        group = [slow for slow in crowd.all if slow.kind == kind]
        times = [slow.ended - slow.began for slow in group if slow.ended]
        early = [value for value in times if value < limit - 0.5]
        score.check(f"{len(group)} {kind}: all gone by the deadline of {limit} s, none before it "
                    f"({min(times, default=0):.1f} to {max(times, default=0):.1f} s)",
                    len(times) == len(group) and not early and max(times) < limit + 30, (len(times), early[:3]))
    answers = {kind: [slow for slow in crowd.all if slow.kind == kind and b" 408 " not in slow.said] for kind in ("head", "body")}
    score.check("whoever dripped was answered 408", not any(answers.values()),
                [(slow.kind, slow.said[:200]) for group in answers.values() for slow in group[:2]])
    score.check("who did not read was reset", all(slow.reset for slow in crowd.all if slow.kind == "unread"))
    descriptors = ground.gateway.descriptors()
    score.check("their descriptors are free again", descriptors < 100, descriptors)
    score.check("both end with code 0", ground.stop() == (0, 0))
    score.close()


if __name__ == "__main__":
    main()
