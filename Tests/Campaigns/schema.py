#!/usr/bin/env python3
"""The served description against the gateway that serves it: schemathesis (PyPI) makes requests from it, valid and not, follows its
links, and compares every answer with it; httplint (PyPI) reads one answer's head of each operation and status.

    Tests/Campaigns/schema.py --port77 .build/debug/port77 [--cases 2000] [--seed 7] [--whole 1] [--open 1] [--keep 1]

--whole adds the phase that walks through every parameter's edges, which alone is some thousand cases. All requests have a key, and
what needs one is tried without and with a wrong one as well; with --open the gateway has no keys.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ground import PORT77, Client, Ground, Score, argument  # noqa: E402

here = os.path.dirname(os.path.abspath(__file__))
cases, seed = argument("cases", 2000), argument("seed", 7)
score = Score("schema")


def places(text):
    """Each failure in a line: where, what, and the answer."""
    for block in re.split(r"\n(?=_{5,} )", text)[1:]:
        for failure in re.split(r"\n(?=- ST)", block)[1:]:
            words = [line.strip() for line in failure.split("\n") if line.strip()]
            yield f"{block.splitlines()[0].strip('_ ')}: {' / '.join(word[:160] for word in words[:6])}"


print(f"seed {seed} (repeat with --seed {seed})", flush=True)
python = subprocess.run([os.path.join(here, "../../scripts/python-with"), "schemathesis", "schemathesis>=4.32,<5", "httplint>=2026"],
                        capture_output=True, text=True, check=True).stdout.strip()
python = os.path.abspath(os.path.join(here, "../..", python))
folder = tempfile.mkdtemp(prefix="port77-schema-")
# Wrong keys count against the address they come from: each request says another one (schema_hooks.py).
ground = Ground(os.path.join(folder, "ground"), host_data=False,
                config_more=f"openapi: {argument('openapi', os.path.abspath(os.path.join(here, '../../openapi')), str)}\n"
                "proxies: [{network: 127.0.0.0/8, sends: forwarded}]\n")
is_open, key = argument("open", 0), ""
if not is_open:
    key = subprocess.run([PORT77, "keys", "create", "--data", ground.data, "--name", "schema", "--owner", "schema", "--scope", "admin"],
                         capture_output=True, text=True, check=True).stdout.strip()
ground.start()
base = f"http://127.0.0.1:{ground.gateway.port}"
with open(os.path.join(folder, "schemathesis.toml"), "w") as file:
    file.write("""[phases.stateful.generation]
max-examples = %d
[checks.positive_data_acceptance]
# Preconditions and ranges that do not hold, types nobody serves, jobs that are gone: valid, and rightly not fulfilled.
expected-statuses = ["2xx", "3xx", "401", "403", "404", "406", "409", "410", "412", "416", "429", "503"]
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "408", "409", "410", "411", "412", "413", "414", "415", "416", "417", "421", "422", "428", "429", "431", "501"]
# A key that was deleted is revoked, and stays to be seen.
[[operations]]
include-name = "GET /v1/keys/{id}"
[operations.checks.use_after_free]
enabled = false
""" % max(10, cases // 40))
lint = os.path.join(folder, "lint.jsonl")
open(lint, "w").close()
with subprocess.Popen([os.path.join(os.path.dirname(python), "python"), "-c",
                       f"import urllib.request, json; print(sum(len([m for m in p if m in "
                       f"('get','put','post','delete','patch')]) for p in json.load(urllib.request.urlopen('{base}/openapi.json'))"
                       f"['paths'].values()))"], stdout=subprocess.PIPE, text=True) as counting:
    operations = int(counting.stdout.read())
environment = dict(os.environ, SCHEMATHESIS_HOOKS="schema_hooks", SCHEMA_LINT=lint, SCHEMA_KEY=key, PYTHONPATH=here)
whole = argument("whole", 0)
command = [os.path.join(os.path.dirname(python), "schemathesis"), "run", base + "/openapi.json", "--seed", str(seed), "--no-color",
           "--continue-on-failure", "--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off",
           "--request-timeout", "30", "--max-examples", str(max(4, cases // operations)),
           "--phases", "examples,coverage,fuzzing,stateful" if whole else "examples,fuzzing,stateful"]
if is_open:  # with the first key it would be closed to all that follow
    command += ["--exclude-operation-id", "createKey"]
else:
    command += ["--header", f"Authorization: Bearer {key}"]
if not argument("shrink", 0):
    command.append("--no-shrink")
output = os.path.join(folder, "schemathesis.log")
with open(output, "w") as file:
    code = subprocess.run(command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT).returncode
text = open(output).read()
generated = re.search(r"^\s*(\d+) generated", text, re.M)
count = int(generated.group(1)) if generated else 0
score.check(f"{count} cases over {operations} operations, at least {cases}", count >= cases, text[-2000:])
links = re.search(r"API Links:\s+(\d+) covered / (\d+) selected", text)
followed = int(links.group(1)) if links else 0
score.check(f"{followed} of {links.group(2) if links else 0} links were followed", followed >= 10, text[-2000:])
failures = re.findall(r"^- (ST\d+ .*)$", text, re.M)
failures += re.findall(r"^(?:Network Error|Schema Error|Runtime Error).*$", text, re.M)
score.check("no answer but those described, no valid request refused, no invalid one taken", code == 0 and not failures,
            "\n".join(sorted(set(failures))) + f"\nsee {output}; more of them:\n" + "\n".join(places(text)))
heads = [json.loads(line) for line in open(lint)]
more = subprocess.run([python, os.path.join(here, "schema_lint.py"), str(ground.gateway.port), key], capture_output=True, text=True)
score.check("the parser answers what it should", more.returncode == 0 and more.stdout.count("\n") > 10, more.stderr[-500:])
heads += [json.loads(line) for line in more.stdout.splitlines()]
bad = [head for head in heads if head[2]]
score.check(f"httplint finds nothing bad in {len(heads)} heads", len(heads) >= operations and not bad, bad)
if key:
    me = Client(ground.gateway).json("GET", "/v1/me", headers={"Authorization": f"Bearer {key}"})
    score.check("the key that asked is good to the end", me and me[0] == 200, me)
score.check("gateway and host end on SIGTERM", ground.stop() == (0, 0))
if argument("keep", 0) or score.failed:
    print(f"kept: {folder}", flush=True)
else:
    shutil.rmtree(folder)
score.close()
