"""Mutated requests to the gateway and to two reference parsers: what the gateway answers as a request must be framed alike by both.

    $(scripts/python-with framing h11 llhttp) Tests/Campaigns/framing.py --port77 .build/debug/port77 --cases 5000 --seed 1

h11 and llhttp (PyPI) read the same octets as one stream. For every request that the gateway answered as such (200, 404, 405 of
its routes) each reference must have seen the head of a request at the same place, or have refused the stream before it: being
stricter than we are is no difference in framing, and is counted.
"""
import collections
import json
import random
import re
import socket
import sys
import tempfile
import threading

import h11
import llhttp

from ground import Ground, Score, argument

CASES, SEED = argument("cases", 5000), argument("seed", 1)

HEADS = [
    b"GET /n/%d HTTP/1.1\r\nHost: a\r\n",
    b"POST /n/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n",
    b"PUT /n/%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
    b"HEAD /n/%d HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n",
    b"POST /n/%d HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 5\r\n",
    b"DELETE /n/%d?x=1 HTTP/1.1\r\nHost: a:8077\r\nX-Long: " + b"v" * 40 + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nX-At: %d\r\n",
]
BODIES = {b"Content-Length": b"hello", b"Transfer-Encoding": b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"}
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
LINES = [
    b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: 05", b"Content-Length: +5", b"Content-Length: 5, 5",
    b"Content-Length: 5 ", b"Content-Length:\t5", b"Content-Length: 0x5", b"Content-Length: 5_0", b"Content-Length: ",
    b"Content-Length: -1", b"Content-Length: 18446744073709551621", b"Content-Length : 5", b" Content-Length: 5",
    b"Content-Length: 5\x00", b"Content_Length: 5", b"content-length: 5", b"Content-Length: \xef\xbc\x95",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: \"chunked\"",
    b"Transfer-Encoding: chunked,", b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: chunk", b"TE: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Host: b", b"Host:", b"Host: a, b", b"Host: a@b",
    b"Connection: close", b"Connection: keep-alive", b"Connection: Content-Length", b"Connection: transfer-encoding, close",
    b"Expect: 100-continue", b"Upgrade: h2c\r\nConnection: Upgrade", b"X: a\rb", b"X: a\nb", b"X\x00: a", b"X: \x01", b": x", b"X",
    b"X: a\r\n  folded", b"\tX: a", b"X:" + b" " * 100 + b"a", b"Trailer: Content-Length", b"X: \x80\xff",
]
SIZES = [b"3", b"03", b"0x3", b"+3", b"-3", b"3 ", b" 3", b"3;", b"3;a", b"3;a=b", b"3;a=\"b;c\"", b"3;\n", b"3;a\r", b"3_0", b"",
         b"FFFFFFFFFFFFFFFFF", b"3\t", b"3;a=\x00", b"00000000000000000003", b"3\n", b"0", b"0\r\n\r\n"]
OCTETS = [b"\r", b"\n", b"\r\n", b"\x00", b" ", b"\t", b":", b";", b",", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"0", b"/", b"%00", b"#", b"\\"]


def request(random, number):
    head = random.choice(HEADS) % number
    body = next((content for name, content in BODIES.items() if name in head), b"")
    return head, body


def case(random):
    """One stream: a request or three, one to three of them bent, and a plain one behind."""
    pieces = []
    for number in range(random.randint(1, 3)):
        head, body = request(random, number)
        for _ in range(random.choice([0, 1, 1, 1, 2, 3])):
            kind = random.randrange(9)
            if kind <= 2:
                head = head + random.choice(LINES) + random.choice([b"\r\n"] * 8 + [b"\n", b"\r"])
                if random.random() < 0.4:
                    body += random.choice([SMUGGLED, b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED, b"hello", b"0\r\n\r\n"])
            elif kind == 3 and b"\r\nabc" in body:
                body = random.choice(SIZES) + body[body.index(b"\r\nabc"):]
            elif kind == 4:
                at = random.randrange(len(head))
                head = head[:at] + random.choice(OCTETS) + head[at:]
            elif kind == 5 and body:
                at = random.randrange(len(body))
                body = body[:at] + random.choice(OCTETS) + body[at:]
            elif kind == 6:
                at = random.randrange(len(head))
                head = head[:at] + head[at + random.randint(1, 3):]
            elif kind == 7:
                lines = head.split(b"\r\n")
                at = random.randrange(len(lines))
                head = b"\r\n".join(lines[:at] + [lines[at]] + lines[at:])
            else:
                at = random.randrange(len(head))
                head = head[:at] + bytes([random.randrange(256)]) + head[at + 1:]
        pieces.append(head + b"\r\n" + body)
    return b"".join(pieces) + b"GET /n/last HTTP/1.1\r\nHost: a\r\n\r\n"


def by_h11(stream):
    """The targets of the heads in order, and whether the stream was refused behind them."""
    connection, targets = h11.Connection(h11.SERVER, max_incomplete_event_size=65536), []
    try:
        connection.receive_data(stream)
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                targets.append(event.target)
            elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                return targets, False
            elif event is h11.PAUSED:
                if connection.their_state is not h11.DONE:
                    return targets, True   # an upgrade: what follows is not HTTP to h11
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    return targets, True
                connection.start_next_cycle()
    except h11.ProtocolError:
        return targets, True


class Reader(llhttp.Request):
    def __init__(self):
        super().__init__()
        self.targets, self.target = [], b""

    def on_message_begin(self):
        self.target = b""

    def on_url(self, octets):
        self.target += bytes(octets)

    def on_headers_complete(self):
        self.targets.append(self.target)


def by_llhttp(stream):
    reader = Reader()
    try:
        reader.execute(stream)
        return reader.targets, reader.is_upgrading   # what follows an upgrade is not HTTP to llhttp
    except Exception:
        return reader.targets, True


def by_gateway(port, stream):
    """The targets of the requests it took as such; its refusal, if any, is the last answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        try:
            line.sendall(stream)
            line.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = bytearray()
        try:
            while piece := line.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    taken, at = [], 0
    while match := re.compile(rb"HTTP/1\.1 (\d+) [^\r]*\r\n(.*?)\r\n\r\n", re.S).match(answer, at):
        status, fields = int(match[1]), match[2]
        at = match.end()
        if status == 100:
            continue
        length = re.search(rb"(?im)^content-length: (\d+)", fields)
        length = int(length[1]) if length else 0
        if answer[at:at + 5] == b"HTTP/":
            length = 0   # the answer to HEAD
        body = bytes(answer[at:at + length])
        at += len(body)
        if status in (200, 204, 404, 405):
            taken.append(status)
        else:
            return taken, status, body
    return taken, None, bytes(answer[at:])


def main():
    folder = tempfile.mkdtemp(prefix="port77-framing-")
    ground, score = Ground(folder, host_data=False).start(), Score("framing")
    chance, lock, counts = random.Random(SEED), threading.Lock(), collections.Counter()
    differences = []

    def work():
        while True:
            with lock:
                if counts["cases"] >= CASES:
                    return
                counts["cases"] += 1
                stream = case(chance)
            taken, refusal, rest = by_gateway(ground.gateway.port, stream)
            with lock:
                counts["requests taken"] += len(taken)
                counts[f"refused {refusal}" if refusal else "read to the end"] += 1
                if rest and refusal is None or refusal and refusal >= 500 and refusal not in (501, 505):
                    differences.append((stream, "gateway", taken, refusal, rest[:200]))
            for name, reader in (("h11", by_h11), ("llhttp", by_llhttp)):
                targets, isRefused = reader(stream)
                with lock:
                    if len(targets) < len(taken):
                        if isRefused:
                            counts[f"{name} is stricter"] += 1
                        else:
                            differences.append((stream, name, targets, taken, refusal))
                    elif refusal is None and len(targets) > len(taken) and not isRefused:
                        counts[f"{name} read more behind our last"] += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for stream, *what in differences[:10]:
        print(f"DIFFERENCE: {stream!r}\n    {what}")
    print("framing: " + json.dumps(dict(sorted(counts.items()))))
    score.check(f"{CASES} streams (seed {SEED}): nothing is taken that h11 or llhttp frames otherwise", not differences,
                f"{len(differences)} differences, the first above")
    score.check("mutations leave requests to be taken, and requests to be refused",
                counts["requests taken"] > CASES / 4 and counts["refused 400"] > CASES / 10, counts)
    score.check("both end on SIGTERM", ground.stop() == (0, 0))
    score.close()


main()
