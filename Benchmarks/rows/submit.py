"""Durable submit: an fsync before every 201. Beside it the same group commit by Hummingbird and GRDB, and the disk alone."""
import os

from kit import BUILD, HERE, OURS, Group, compiled, median, told, wrk


def run(bench):
    group = Group("Durable submit")
    ground = bench.ground().start()
    empty = os.path.join(bench.folder, "empty")
    open(empty, "w").close()
    hummingbird = bench.serve(
        "hummingbird", os.path.join(BUILD, "release", "hummingbird-peer"), empty, os.path.join(bench.folder, "peer.db"), "none")
    commit = compiled("commit")
    group.notes.append(
        "Port77 stores job, deck, event, trace and counters and checks the deck; Hummingbird stores job, deck and event as they come. "
        "The disk alone: a C program that appends as many decks as there are clients, then one fdatasync.")
    # Half the time for large decks: the disk has an end.
    for size, script, octets, seconds in (
            ("2 KB", "submit", 2048, bench.seconds), ("200 KB", "submit-large", 200_000, max(1, bench.seconds // 2))):
        for clients in (1, 64, 256):
            print(f" {size}, {clients} clients")
            lua = os.path.join(HERE, "peers", script + ".lua")
            runs = group.case(f"{size} deck, {clients} clients", bench.interleave({
                OURS: lambda: wrk(ground.gateway, "/v1/jobs?hold=true", clients, seconds, lua),
                "Hummingbird + GRDB": lambda: wrk(hummingbird, "/v1/jobs", clients, seconds, lua),
                "the disk alone": lambda: told(
                    commit, os.path.join(bench.folder, "commit"), str(octets), str(clients), str(seconds))}))
            if (size, clients) == ("2 KB", 64):
                rate = median(runs[OURS], "requests/s")
                group.goal("2 KB, 64 clients: at least 10,000/s", f"{rate:,.0f}/s", rate >= 10_000)
            if (size, clients) == ("2 KB", 1):
                more = median(runs[OURS], "p50 ms") - median(runs["the disk alone"], "p50 ms")
                group.goal("at rest: p50 at most 1 ms above one fdatasync", f"{more:.2f} ms above", more <= 1)
    return group
