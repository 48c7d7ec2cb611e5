#!/usr/bin/env python3
"""The figures: Port77 against its peers, taking turns on this machine.

    make bench                        every row group, 5 rounds, Benchmarks/RESULTS.md
    make bench NAME=get               one of them; the others in RESULTS.md stay
    make bench NAME=get ARGS=--small  one short round, to see that it works; RESULTS.md stays

What a row measures and against what is in Benchmarks/rows/NAME.py.
"""
import argparse
import datetime
import importlib
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, HERE)
NAMES = ["get", "submit", "way", "curve", "output", "forms", "streams", "idle", "protocols", "lists", "start", "webhooks", "slurm"]


def build():
    """Port77, and the peers that are Swift; the C programs are built by the rows that use them."""
    for command in (
            ["make", "release"],
            ["swift", "build", "-c", "release", "--package-path", "Benchmarks", "--scratch-path", ".build-bench"]):
        print("==", " ".join(command), flush=True)
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def said(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--port77", help="this executable; without it, it is built")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each run of a contender")
    parser.add_argument("--small", action="store_true", help="one round of a second, small sizes; not for RESULTS.md")
    wanted = parser.parse_args()
    if unknown := [name for name in wanted.names if name not in NAMES]:
        parser.error(f"no such row: {', '.join(unknown)}")
    if not wanted.port77:
        build()
    port77 = os.path.abspath(wanted.port77 or os.path.join(ROOT, ".build", "release", "port77"))
    # The ground of the campaigns reads its own arguments.
    sys.argv = [sys.argv[0], "--port77", port77]
    from kit import BUILD, Bench
    import results
    kept = os.path.join(BUILD, "results")
    os.makedirs(kept, exist_ok=True)
    if wanted.small:
        wanted.rounds, wanted.seconds = 1, 1
    missed = 0
    for name in wanted.names or NAMES:
        load, began = os.getloadavg()[0], time.monotonic()
        print(f"== {name} (load {load:.2f})", flush=True)
        bench = Bench(wanted.rounds, wanted.seconds, wanted.small)
        try:
            group = importlib.import_module("rows." + name).run(bench)
        finally:
            bench.close()
        kind = "" if wanted.names == [] else f" NAME={name}"
        content = {
            **vars(group), "name": name, "rounds": wanted.rounds, "seconds": wanted.seconds, "load": load,
            "took": time.monotonic() - began, "command": "make bench" + kind,
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M"),
            "commit": said("git", "rev-parse", "--short", "HEAD") + ("+" if said("git", "status", "--porcelain") else "")}
        for line in results.of_group(content):
            print(line)
        missed += sum(not goal["reached"] for goal in group.goals)
        if not wanted.small:
            with open(os.path.join(kept, name + ".json"), "w") as file:
                json.dump(content, file)
            results.write(kept, NAMES)
    print(f"{missed} goals missed")


if __name__ == "__main__":
    main()
