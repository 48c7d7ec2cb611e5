"""How fast decks and print-out travel over each protocol, as a share of a plain copy over loopback.

Gateway and reference host are two processes on this machine. Up: from the gateway's event `sending` to `submitted`, which is the
host's receipt. Down: from the end of the job in the host's ledger to the gateway's `ended_at`, which is the commit of the whole print-out
on disk (fsync included). The copy is one process to another over a socket, without a disk.
"""
import datetime
import multiprocessing
import os
import socket
import time

from kit import Group
from ground import Client
from protocols import FINAL, HOSTS, ThreeProtocols

NAMES = {"priv": "PRIV-RJE", "rje": "RFC 407, N and A", "net": "NETRJS, truncated"}
COPY = "plain copy"


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def plain_copy(octets):
    """Octets a second, 64 KiB a piece."""
    listener = socket.create_server(("127.0.0.1", 0))
    piece = bytes(65536)

    def send(port):
        with socket.create_connection(("127.0.0.1", port)) as line:
            for _ in range(octets // len(piece)):
                line.sendall(piece)

    sender = multiprocessing.Process(target=send, args=(listener.getsockname()[1],))
    sender.start()
    line, _ = listener.accept()
    began, taken, room = time.monotonic(), 0, bytearray(1 << 16)
    while count := line.recv_into(room):
        taken += count
    took = time.monotonic() - began
    sender.join()
    return taken / took


def job(three, host, deck):
    """The job's document and its events by type."""
    client = Client(three.gateway)
    answer = client.json("POST", f"/v1/jobs?host={host}", body=deck, headers={"Content-Type": "text/plain"})
    job = answer[1]["id"]
    while True:
        answer = client.json("GET", f"/v1/jobs/{job}", headers={"Prefer": "wait=60"})
        if answer and answer[1]["state"] in FINAL:
            break
    events = client.json("GET", f"/v1/jobs/{job}/events", headers={"Accept": "application/json"})
    return answer[1], {event["type"]: moment(event["timestamp"]) for event in events[1]["items"]}


def run(bench):
    printed, decked = (10, 1) if bench.small else (200, 10)
    group = Group("RJE throughput by protocol")
    group.notes.append(
        f"A deck of {decked} MiB up to the host's receipt, a print-out of {printed} MiB down to the commit of all of it on disk; "
        "a plain copy goes from one process to another over a socket, without a disk.")
    three = ThreeProtocols(os.path.join(bench.folder, "three")).start()
    bench.grounds.append(three)
    numbers = iter(range(1000))

    def copy():
        rate = plain_copy(1 << (28 if bench.small else 31)) / 1e6
        return {"down MB/s": rate, "up MB/s": rate}

    def ours(host):
        number = next(numbers)
        card = "X" * 80 + "\n"
        deck = (f"//UP{number} JOB (1),BENCH\n//S1 EXEC PGM=IEFBR14\n//SYSIN DD *\n"
                + card * ((decked << 20) // len(card)) + "/*\n").encode()
        document, events = job(three, host, deck)
        assert document["state"] == "completed", document
        up = len(deck) / max(0.001, events["job.submitted"] - events["job.sending"])
        lines = (printed << 20) // 82
        document, events = job(three, host, f"//DOWN{number} JOB (1),BENCH\n//S1 EXEC PGM=LINES,PARM={lines}\n".encode())
        assert document["state"] == "completed", document
        octets = sum(file["octets"] for file in document["outputs"])
        ended = next(moment(e["at"]) for e in three.ledger() if e["event"] == "ended" and e["name"] == f"DOWN{number}")
        down = octets / max(0.001, moment(document["ended_at"]) - ended)
        return {"down MB/s": down / 1e6, "up MB/s": up / 1e6, "gateway MiB": three.gateway.resident(),
                "host MiB": three.host.resident()}

    runs = bench.interleave({COPY: copy, **{NAMES[host]: lambda host=host: ours(host) for host in HOSTS}})
    group.case("by protocol", runs)
    for host in HOSTS:
        up, down = (sum(mine[k] / base[k] for mine, base in zip(runs[NAMES[host]], runs[COPY])) / bench.rounds
                    for k in ("up MB/s", "down MB/s"))
        group.notes.append(f"{NAMES[host]} against the plain copy: {up:.1%} up, {down:.1%} down.")
    return group
