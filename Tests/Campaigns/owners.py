#!/usr/bin/env python3
"""Two owners, and every scope left out once, over every operation that the gateway describes; revocation; keys over kill -9.

    Tests/Campaigns/owners.py --port77 .build/debug/port77

The operations come from the served description: a new one is tried as well, or fails here until it is said whose things it names.
"""
import http.client
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from ground import PORT77, Client, Ground, Score

CLIENT = ["jobs:submit", "jobs:read", "jobs:cancel", "outputs:read", "hosts:read", "hosts:command", "webhooks:admin"]
# For everybody: nothing of anybody's.
OPEN = {"/livez", "/readyz", "/", "/assets/{file}", "/openapi.json", "/problems/{slug}", "/docs", "/docs/{file}", "/v1/webhook-keys", "/v1/webhook-consents/{token}"}
MARK = "alices-own-mark"
DECK = b"//ALICE JOB (1),'OWNERS',CLASS=A\n//S1 EXEC PGM=LINES,PARM=3\n//SYSPRINT DD SYSOUT=*\n"
GONE = {"jobs": "01KAQ3W8Z5T0C7Q1M9E4R2V6XB", "webhooks": "", "deliveries": "999999999", "batches": "01KAQ3W8Z5T0C7Q1M9E4R2V6XB"}

score = Score("owners")
folder = tempfile.mkdtemp(prefix="port77-owners-")
ground = Ground(folder, host_data=False)
ground.host.start()
ground.write_config()


def keys(*arguments, **more):
    result = subprocess.run([PORT77, "keys", *arguments, "--data", ground.data], capture_output=True, text=True, timeout=60, **more)
    if result.returncode:
        raise SystemExit(f"port77 keys {arguments}: {result.stderr}")
    return result.stdout.strip()


def bearer(key):
    return {"Authorization": f"Bearer {key}"} if key else {}


def call(method, target, key=None, body=None, kind="application/json", **headers):
    fields = {**bearer(key), **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body is not None:
        fields["Content-Type"] = kind
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
    client = Client(ground.gateway)
    answer = client.call(method, target, body, fields)
    client.close()
    if answer is None:
        return 0, {}, b""
    return answer


def problem(answer):
    try:
        return json.loads(answer[2]).get("type", "").removeprefix("/problems/")
    except ValueError:
        return ""


def make(scopes, owner, **more):
    status, _, body = call("POST", "/v1/keys", root, {"name": f"of {owner}", "owner": owner, "scopes": scopes, **more})
    made = json.loads(body)
    if status != 201:
        raise SystemExit(f"no key: {status} {body}")
    return made["key"], made["id"]


addresses = itertools.cycle(range(2, 250))


def status_of(key):
    """Each time from another loopback address: refusals count against the address they come from."""
    connection = http.client.HTTPConnection("127.0.0.1", ground.gateway.port, timeout=30, source_address=(f"127.0.0.{next(addresses)}", 0))
    connection.request("GET", "/v1/me", headers=bearer(key))
    status = connection.getresponse().status
    connection.close()
    return status


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


# The first key is made before the first start.
root = keys("create", "--name", "root", "--scope", "admin")
ground.gateway.start()
score.check("with a key there, loopback is closed", call("GET", "/v1/jobs")[0] == 401)
alice, alice_id = make(CLIENT, "alice")
bob, _ = make(CLIENT, "bob")
without = {scope: make([other for other in CLIENT if other != scope], "alice")[0] for scope in CLIENT}
only = {scope: make([scope], "alice")[0] for scope in CLIENT} | {"admin": root, "jobs:read:all": root}
without["admin"] = alice

# What alice has.
hook = json.loads(call("POST", "/v1/webhooks", alice, {"url": ground.receiver.url, "description": MARK})[2])
status, _, body = call("POST", f"/v1/jobs?host=demo&correlator={MARK}&label.mark={MARK}", alice, DECK, "text/plain", Prefer="wait=30")
job = json.loads(body)
score.check("alice's job ran", status == 201 and job["state"] == "completed", body)
found = []
until(lambda: found.extend(json.loads(call("GET", f"/v1/webhooks/{hook['id']}/deliveries", alice)[2])["items"]) or found)
score.check("alice's webhook was called", found)
hers = {"jobs": job["id"], "webhooks": hook["id"], "deliveries": str(found[0]["id"]) if found else "1", "batches": job["id"]}
GONE["webhooks"] = hook["id"][:-6] + ("AAAAAA" if not hook["id"].endswith("AAAAAA") else "BBBBBB")


_, spare = make(["jobs:read"], "nobody")


def target(path, things):
    kind = path.split("/")[2] if path.startswith("/v1/") else ""
    kind = kind.split(":")[0]
    values = {"id": {"hosts": "demo", "keys": spare}.get(kind, things.get(kind)), "number": "1", "seq": "1"}
    missing = [name for name in re.findall(r"{(\w+)}", path) if values.get(name) is None]
    return kind, None if missing else re.sub(r"{(\w+)}", lambda match: values[match[1]], path)


def names_owned(kind, method, path):
    return kind in hers and "{id}" in path and (method, path) != ("PUT", "/v1/jobs/{id}")


def body_of(operation):
    content = operation.get("requestBody", {}).get("content", {})
    if "$ref" in operation.get("requestBody", {}):
        content = {"application/json": {}}
    if not content:
        return None, None
    kind = "text/plain" if "text/plain" in content else next(iter(content))
    return (DECK, kind) if kind.startswith("text/") else (b"{}", kind)


description = json.loads(call("GET", "/openapi.json")[2])
before = {name: call("GET", path, alice)[1].get("etag") for name, path in (("job", f"/v1/jobs/{job['id']}"), ("webhook", f"/v1/webhooks/{hook['id']}"))}
operations = unknown = foreign = 0
bad = {"open": [], "missing scope": [], "granted": [], "foreign": [], "same as none": [], "lists": [], "undescribed": []}
for path, methods in description["paths"].items():
    for method, operation in methods.items():
        if method not in ("get", "put", "post", "delete", "patch"):
            continue
        method, name = method.upper(), f"{method.upper()} {path}"
        if path in OPEN:
            continue
        operations += 1
        kind, mine = target(path, hers)
        _, gone = target(path, GONE)
        needs = operation.get("security")
        if not needs or mine is None or gone is None:
            bad["undescribed"].append((name, needs, mine))
            continue
        scope = (next(iter(needs[0].values())) or [None])[0]
        body, media = body_of(operation)
        if call(method, gone, None, body, media)[0] != 401:
            bad["open"].append(name)
        if scope is None:
            continue
        answer = call(method, gone, without[scope], body, media)
        if answer[0] != 403 or json.loads(answer[2]).get("scope") != scope:
            bad["missing scope"].append((name, scope, answer[0], answer[2][:200]))
        answer = call(method, gone, only[scope], body, media)
        if answer[0] in (0, 401, 403) or answer[0] >= 500:
            bad["granted"].append((name, scope, answer[0], answer[2][:200]))
        if scope == "admin":
            continue
        if names_owned(kind, method, path):
            foreign += 1
            theirs, none = call(method, mine, bob, body, media), call(method, gone, bob, body, media)
            # (A body that is wrong anyway may be told first.)
            if not (theirs[0] == 404 or 400 <= theirs[0] == none[0]):
                bad["foreign"].append((name, theirs[0], theirs[2][:200]))
            shape = [re.sub(rb'"request_id":"[^"]*"', b"", one[2].replace(thing.encode(), b"X"))
                     for one, thing in ((theirs, hers[kind]), (none, GONE[kind]))]
            if theirs[0] != none[0] or shape[0] != shape[1]:
                bad["same as none"].append((name, shape))
        elif method == "GET":
            answer = call(method, mine, bob, Accept="application/json, */*;q=0.1")
            if MARK.encode() in answer[2] or job["id"].encode() in answer[2] or hook["id"].encode() in answer[2]:
                bad["lists"].append((name, answer[2][:300]))
print(f"{operations} operations need credentials, {foreign} of them name what somebody owns", flush=True)
score.check("every operation says its scope, and whose things it names", not bad["undescribed"] and operations >= 40, bad["undescribed"])
score.check("none of them is open without credentials", not bad["open"], bad["open"])
score.check("each refuses who lacks its scope, and names it", not bad["missing scope"], bad["missing scope"])
score.check("each takes who has it", not bad["granted"], bad["granted"])
score.check("what is alice's is not there for bob, by any of them", foreign >= 15 and not bad["foreign"], bad["foreign"])
score.check("and that is told as of what never was", not bad["same as none"], bad["same as none"])
score.check("no list of bob's has anything of alice's", not bad["lists"], bad["lists"])
after = {name: call("GET", path, alice)[1].get("etag") for name, path in (("job", f"/v1/jobs/{job['id']}"), ("webhook", f"/v1/webhooks/{hook['id']}"))}
score.check("alice's things are as they were", before == after and None not in after.values(), (before, after))

# Filters, cursors and streams.
for query in (f"correlator={MARK}", f"label.mark={MARK}", "owner=alice", "state=completed", "name=ALICE"):
    items = json.loads(call("GET", f"/v1/jobs?{query}", bob)[2]).get("items", [])
    score.check(f"bob's list by {query} is empty", items == [], items)
score.check("nor can he find it by her name for it", call("GET", f"/v1/jobs/correlator:{MARK}", bob)[0] == 404)
if "/v1/outputs" in description["paths"]:
    for key, sees in ((alice, True), (bob, False)):
        lines = call("GET", "/v1/outputs?grep=ALICE", key)
        found = b"ALICE" in lines[2] or job["id"].encode() in lines[2]
        score.check(f"a search of everything {'finds' if sees else 'does not find'} her print-out", found == sees, lines)
events = call("GET", "/v1/events?after=0&limit=500", bob)[2]
score.check("bob's events have nothing of alice's job", job["id"].encode() not in events and MARK.encode() not in events, events[:300])
score.check("alice's have", job["id"].encode() in call("GET", "/v1/events?after=0&limit=500", alice)[2])
reader, _ = make(["jobs:read", "jobs:read:all", "jobs:cancel"], "auditor")
score.check("jobs:read:all sees it", call("GET", f"/v1/jobs/{job['id']}", reader)[0] == 200)
answer = call("DELETE", f"/v1/jobs/{job['id']}", reader)
score.check("and may not remove it", answer[0] == 403 and json.loads(answer[2]).get("scope") == "admin", answer)

# Revocation: by the API at once, by another process within a second.
brief, brief_id = make(["jobs:read"], "alice")
score.check("a fresh key works", call("GET", "/v1/jobs", brief)[0] == 200)
score.check("it is revoked", call("DELETE", f"/v1/keys/{brief_id}", root)[0] == 204)
score.check("and worthless at once", status_of(brief) == 401)
other = keys("create", "--name", "beside", "--owner", "alice", "--scope", "jobs:read")
score.check("a key made beside the running gateway works", until(lambda: status_of(other) == 200))
keys("revoke", other.split("_")[2])
began = time.monotonic()
gone = until(lambda: status_of(other) == 401)
took = time.monotonic() - began
# A second on a machine that is not overloaded; this one may be.
score.check(f"revoked beside it, it is worthless after {took:.2f} s", gone and took < 5, took)

# Over kill -9: a key that was answered is there, a revocation that was answered holds.
kept, kept_id = make(["jobs:read"], "alice")
ground.gateway.kill()
late = keys("create", "--name", "late", "--owner", "alice", "--scope", "jobs:read")
ground.gateway.start()
score.check("a key survives kill -9", status_of(kept) == 200)
score.check("so does one made while the gateway was down", status_of(late) == 200)
score.check("it is revoked", call("DELETE", f"/v1/keys/{kept_id}", root)[0] == 204)
ground.gateway.kill()
ground.gateway.start()
score.check("a revocation survives kill -9", status_of(kept) == 401)

# The record.
log = json.loads(call("GET", "/v1/audit?limit=500", root)[2])["items"]
deeds = {(entry["action"], entry["subject"], entry["actor"]) for entry in log}
for deed in (("job.submit", job["id"], f"key:{alice_id}"), ("webhook.create", hook["id"], f"key:{alice_id}"),
             ("key.revoke", kept_id, f"key:{root.split('_')[2]}"), ("key.revoke", other.split("_")[2], "console")):
    score.check(f"the audit log has {deed[0]} by {deed[2].split(':')[0]}", deed in deeds, sorted(deeds)[:20])
secrets = [key.split("_")[3] for key in (root, alice, bob, kept, late)]
places = [open(os.path.join(folder, "gateway.log"), "rb").read(), json.dumps(log).encode(), call("GET", "/metrics", root)[2]]
score.check("no secret stands in log, audit or metrics", not any(secret.encode() in place for secret in secrets for place in places))

# The lines of docs/keys.md.
root_folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
block = re.search(r"<!-- check: curl;[^\n]*-->\n```sh\n(.*?)```", open(os.path.join(root_folder, "docs/keys.md")).read(), re.S)[1]
lines = [line.replace("localhost:8077", f"127.0.0.1:{ground.gateway.port}") for line in block.splitlines() if line.strip()]
for line, word in zip(lines, ('"actor":"key:', '"key":"rje_live_', '"state":"active"', '"stored_octets":', '"action":"key.create"'), strict=True):
    text = subprocess.run(["bash", "-c", line], env=dict(os.environ, KEY=root), capture_output=True, text=True, timeout=30).stdout
    score.check(f"docs: {line[:80]}", word in text and '"type":"/problems' not in text, text)
# Those of README.md and docs/keys.md that make keys: on this data folder, while the gateway runs on it.
_, spare = make(["jobs:read"], "nobody")
for page in ("README.md", "docs/keys.md"):
    block = re.search(r"<!-- check: keys -->\n```sh\n(.*?)```", open(os.path.join(root_folder, page)).read(), re.S)[1]
    block = block.replace("localhost:8077", f"127.0.0.1:{ground.gateway.port}").replace("Yd7aQ0bX", spare)
    script = f'set -eu\nport77() {{ command {PORT77} "$@" --data {ground.data}; }}\n{block}'
    result = subprocess.run(["bash", "-c", script], env=dict(os.environ, KEY=root), capture_output=True, text=True, timeout=60)
    score.check(f"{page}: the commands for keys", result.returncode == 0 and result.stdout.count("rje_live_") >= 2
                and '"type":"/problems' not in result.stdout, result)
    _, spare = make(["jobs:read"], "nobody")
table = subprocess.run([PORT77, "list", "--gateway", f"http://127.0.0.1:{ground.gateway.port}"], capture_output=True, text=True, timeout=30,
                       env=dict(os.environ, PORT77_KEY=alice))
score.check("the client commands take the key from PORT77_KEY", table.returncode == 0 and "ALICE" in table.stdout, table)
with open(os.path.join(folder, "wide.yaml"), "w") as file:
    file.write(f"listen: 0.0.0.0:0\ndata: {ground.data}\nhosts: []\n")
checked = subprocess.run([PORT77, "config", "check", os.path.join(folder, "wide.yaml")], capture_output=True, text=True, timeout=30)
score.check("with keys it may listen there, says config check", "beyond this machine" not in checked.stderr, checked)
unguarded = subprocess.run([PORT77, "serve", "--data", os.path.join(folder, "bare"), "--listen", "0.0.0.0:0"], capture_output=True,
                           text=True, timeout=30)
score.check("serve refuses to listen beyond loopback without keys", unguarded.returncode != 0 and "key" in unguarded.stderr, unguarded)
score.check("both end on SIGTERM", ground.stop() == (0, 0))
score.close()
