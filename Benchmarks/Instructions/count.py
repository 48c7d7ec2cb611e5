#!/usr/bin/env python3
"""Instructions of small works, counted by valgrind: the same on a loaded machine as on a quiet one.

    python3 Benchmarks/Instructions/count.py            compares with Benchmarks/INSTRUCTIONS.md; more than 10 % more is a fault
    python3 Benchmarks/Instructions/count.py --write    writes the table

Each work runs twice, with different counts; the difference of the two runs is what the works cost, without start and end.
The table is of one compiler: with another, figures are shown and not compared.
"""
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TABLE = os.path.join(os.path.dirname(HERE), "INSTRUCTIONS.md")
BUILD = os.path.join(ROOT, ".build-bench", "instructions")
FEW, MANY, MOST_GROWTH = 5, 45, 1.10
ROW = re.compile(r"^\| (.+?) \| ([\d,]+) \|$", re.M)
HEAD = """# Instructions

Written by `python3 Benchmarks/Instructions/count.py --write`; without `--write` it compares, and fails for 10 % more. The works are in Benchmarks/Instructions/Units.

"""


def count(program, work, times):
    environment = dict(os.environ, SWIFT_DETERMINISTIC_HASHING="1")
    told = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, work, str(times)], env=environment,
        capture_output=True, text=True, timeout=120)
    found = re.search(r"Collected : (\d+)", told.stderr)
    if told.returncode != 0 or not found:
        raise SystemExit(f"valgrind: {told.stderr[-1000:]}")
    return int(found[1])


def main():
    began = time.monotonic()
    build = ["swift", "build", "-c", "release", "--package-path", HERE, "--scratch-path", BUILD]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    built = time.monotonic() - began
    program = os.path.join(BUILD, "units-stripped")
    # valgrind of Debian 12 cannot read this compiler's debug information.
    subprocess.run(["strip", "-g", "-o", program, os.path.join(BUILD, "release", "units")], check=True)
    compiler = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    units = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    figures = {}
    for size, name in (line.split(" ", 1) for line in units):
        figures[name] = round((count(program, name, MANY) - count(program, name, FEW)) / (MANY - FEW) / int(size))
    print(f"built in {built:.0f} s, counted in {time.monotonic() - began - built:.0f} s")
    if "--write" in sys.argv:
        with open(TABLE, "w") as file:
            file.write(HEAD + f"Compiler: {compiler}\n\n| work | instructions |\n| --- | ---: |\n")
            file.writelines(f"| {name} | {figure:,} |\n" for name, figure in figures.items())
        return
    with open(TABLE) as file:
        text = file.read()
    before = {name: int(figure.replace(",", "")) for name, figure in ROW.findall(text)}
    failed = sorted(before.keys() ^ figures.keys())
    for name in failed:
        print(f"FAILED: {name} is in the table or among the works, not in both")
    for name in before.keys() & figures.keys():
        growth = figures[name] / before[name]
        if growth > MOST_GROWTH and compiler in text:
            failed.append(name)
            print(f"FAILED: {name}: {figures[name]:,} instructions, {before[name]:,} in the table")
        else:
            print(f"ok: {name}: {figures[name]:,} instructions, {growth - 1:+.1%}")
    if compiler not in text:
        print(f"not compared: the table is of another compiler than {compiler}")
    print(f"instructions: {len(figures) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


main()
