"""Writes RESULTS.md from what the row groups left."""
import json
import os
import platform
import subprocess

from kit import HERE, OURS, median, ratio, show


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) / (1 << 20)
    disk = subprocess.run(["df", "--output=fstype", HERE], capture_output=True, text=True).stdout.split()[-1]
    swift = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout.splitlines()
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Linux {platform.release()}, {disk}; {swift[0] if swift else ''}"


def table(case):
    """One line a contender: medians, the range of the first figure, and what Port77 is to it."""
    runs = case["runs"]
    names = list(dict.fromkeys(name for mine in runs.values() for name in mine[0] if name != "requests"))
    first = names[0]
    yield f"| {case['name']} | {' | '.join(names)} | range | port77 : this |"
    yield "| --- |" + " ---: |" * (len(names) + 2)
    for contender, mine in runs.items():
        cells = [show(median(mine, name)) if name in mine[0] else "" for name in names]
        values = [run[first] for run in mine]
        against = "" if contender == OURS or OURS not in runs else f"{ratio(runs, OURS, contender, first):.2f}"
        yield f"| {contender} | {' | '.join(cells)} | {show(min(values))} to {show(max(values))} | {against} |"


def of_group(content):
    yield f"## {content['title']}"
    yield ""
    yield (f"`{content['command']}`, {content['date']} UTC, commit {content['commit']}, {content['rounds']} rounds of "
           f"{content['seconds']} s, load before {content['load']:.2f}, took {content['took']:.0f} s")
    for note in content["notes"]:
        yield ""
        yield note
    if content["goals"]:
        yield ""
        yield "| to reach | measured | |"
        yield "| --- | --- | --- |"
        for goal in content["goals"]:
            yield f"| {goal['text']} | {goal['value']} | {'reached' if goal['reached'] else '**missed**'} |"
    for case in content["cases"]:
        yield ""
        yield from table(case)
    for script in content["scripts"]:
        yield from ("", f"`{script['command']}`", "", "```", script["text"].rstrip(), "```")
    yield ""


def write(folder, order):
    lines = [
        "# Results", "", "Written by `make bench`; not by hand. Load generators run on the same cores as what they load. Figures are",
        "medians over the rounds, ratios medians of those within a round; the contenders take turns within every round.", "",
        f"Machine: {machine()}", ""]
    for name in order:
        path = os.path.join(folder, name + ".json")
        if os.path.exists(path):
            with open(path) as file:
                lines += of_group(json.load(file))
    with open(os.path.join(HERE, "RESULTS.md"), "w") as file:
        file.write("\n".join(lines).rstrip() + "\n")
