#!/usr/bin/env python3
"""Puts a secret of its own into every place that has one, works through the gateway well and badly, and searches everything it
says: each answer of each route to each kind of caller, each log line at level trace, metrics, events, webhooks, audit, the output
of the commands, the manifest of a backup. What may rightly hold a secret is listed in ALLOWED, and each of those must hold it:
otherwise the search would prove nothing.
usage: canary.py [--port77 PATH] [--keep]"""
import base64
import hashlib
import http.server
import json
import os
import re
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ground import Client, Ground, PORT77, Score

score = Score("canary")
folder = tempfile.mkdtemp(prefix="port77-canary-")
ROUTES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "openapi", "port77.yaml")


def run(*arguments, **more):
    return subprocess.run(arguments, capture_output=True, timeout=60, **more)


def url64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Secrets:
    """Every secret, and each spelling in which it could leave."""

    def __init__(self):
        self.values, self.spellings = {}, {}

    def new(self, name, length=12):
        """A password: letters and digits, so that it is the same in every place."""
        return self.keep(name, "Q" + secrets.token_hex(length)[: length - 1].upper())

    def keep(self, name, value):
        octets = value.encode() if isinstance(value, str) else value
        self.values[name] = value
        forms = {octets, base64.b64encode(octets).rstrip(b"="), url64(octets).encode(), octets.hex().encode(),
                 octets.hex().upper().encode(), urllib.parse.quote(octets).encode()}
        if isinstance(value, str):
            host = value.encode("cp037")
            forms |= {host, host.hex().encode(), host.hex().upper().encode(), value.lower().encode()}
            spaced = octets.hex(" ")
            forms |= {spaced.encode(), spaced.upper().encode()}
        self.spellings[name] = forms
        return value

    def within(self, octets):
        return {name for name, forms in self.spellings.items() if any(form in octets for form in forms)}


known = Secrets()
found, searched = {}, 0


def search(where, octets):
    """Notes which secrets are in it."""
    global searched
    searched += 1
    for name in known.within(octets):
        found.setdefault((name, where.split("?")[0]), octets[:300])


# -- the secrets and where they are put

password = known.new("host password")
ftp_password = known.new("FTP password")
hook_octets, notify_octets, endpoint_octets = (secrets.token_bytes(32) for _ in range(3))
hook_secret, notify_secret, endpoint_secret = (
    known.keep(name, "whsec_" + base64.b64encode(octets).decode())
    for name, octets in [("webhook secret", hook_octets), ("notify secret", notify_octets), ("endpoint secret", endpoint_octets)])
for name, octets in [("webhook secret", hook_octets), ("notify secret", notify_octets), ("endpoint secret", endpoint_octets)]:
    known.spellings[name] |= {octets.hex().encode(), base64.b64encode(octets).rstrip(b"=")}
receiver_token = known.new("Authorization to a receiver", 24)
card_password = known.new("password on the job card", 8)
card_new = known.new("new password on the job card", 8)
url_password = known.new("password in a URL", 16)
wrong_password = known.new("password in Basic", 16)

key_file = os.path.join(folder, "issuer.pem")
run("openssl", "genrsa", "-out", key_file, "2048", check=True)
modulus = bytes.fromhex(run("openssl", "rsa", "-in", key_file, "-noout", "-modulus").stdout.decode().strip().split("=")[1])
known.keep("private key of the issuer", "".join(open(key_file).read().split("\n")[1:-2])[100:160])
jwks = os.path.join(folder, "jwks.json")
with open(jwks, "w") as file:
    json.dump({"keys": [{"kty": "RSA", "kid": "one", "n": url64(modulus), "e": "AQAB"}]}, file)


# Private keys: of the listener, and of a receiver that asks for a client certificate.
certificates = {}
for name in ("TLS key of the listener", "client key of a webhook"):
    paths = [os.path.join(folder, f"{name.split()[0]}.{kind}") for kind in ("key", "pem")]
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-days", "2",
        "-keyout", paths[0], "-out", paths[1], check=True)
    certificates[name] = paths
    text = open(paths[0]).read()
    known.keep(name, "".join(text.split("\n")[1:-2])[40:100])  # (what all keys of this kind begin with is no secret)
    known.spellings[name].add(text.split("\n")[2][:48].encode())
symbol_value = known.new("value of a symbol", 16)


def token(**claims):
    now = int(time.time())
    claims = dict({"iss": "https://id.example/", "aud": "port77", "sub": "tokens", "exp": now + 600,
                   "scope": "jobs:submit jobs:read jobs:cancel outputs:read hosts:read webhooks:admin"}, **claims)
    signed = url64(b'{"alg":"RS256","kid":"one"}') + "." + url64(json.dumps(claims).encode())
    signature = run("openssl", "dgst", "-sha256", "-sign", key_file, input=signed.encode()).stdout
    return signed + "." + url64(signature)


def keep_token(name, text):
    known.keep(name, text)
    known.spellings[name] |= {part.encode() for part in text.split(".")[1:]}
    return text


good_token = keep_token("JWT", token(jti=secrets.token_hex(8)))
old_token = keep_token("expired JWT", token(exp=1, jti=secrets.token_hex(8)))
bent_token = keep_token("JWT with a wrong signature", token(jti=secrets.token_hex(8))[:-8] + "AAAAAAAA")


class Catcher:
    """Takes webhooks whole."""

    def __init__(self):
        self.requests, catcher = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                catcher.requests.append((str(self.headers).encode(), body))
                self.send_response(500 if self.path == "/fails" else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class CanaryGround(Ground):
    def write_config(self):
        with open(self.config, "w") as file:
            file.write(f"""
listen: [{{at: "127.0.0.1:{self.gateway.port}", tls: false}}, {{at: "127.0.0.1:0", tls: true}}]
tls: {{certificate: {certificates["TLS key of the listener"][1]}, key: {certificates["TLS key of the listener"][0]}}}
data: {self.data}
hosts:
  - {{id: demo, protocol: priv-rje, address: "127.0.0.1:{self.host.port}", user: RMT1, password: {{env: CANARY_HOST}}, answer_seconds: 5}}
  - {{id: refused, protocol: priv-rje, address: "127.0.0.1:{self.host.port}", user: RMT2, password: {{env: CANARY_HOST}}}}
  - id: files
    protocol: rfc407
    address: 127.0.0.1:{self.closed}
    user: RMT3
    password: {{env: CANARY_HOST}}
    ftp: {{address: "127.0.0.1:{self.closed}", user: port77, password: {{env: CANARY_FTP}}}}
webhooks: {{secret: {{env: CANARY_HOOK}}, allow_networks: [127.0.0.0/8], allow_plain_http: true}}
log: {{level: trace, format: json}}
auth:
  jwt:
    - {{issuer: "https://id.example/", audience: port77, jwks: {{file: {jwks}}}, scopes: [admin, "jobs:submit", "jobs:read", "jobs:cancel", "outputs:read", "hosts:read", "webhooks:admin"]}}
""")


ground = CanaryGround(folder)
with socket.socket() as closed:
    closed.bind(("127.0.0.1", 0))
    ground.closed = closed.getsockname()[1]
ground.host.command = lambda port: [
    PORT77, "host", "--listen", f"127.0.0.1:{port}", "--user", f"RMT1:{password}", "--ledger", ground.ledger_path]
ground.gateway.command = lambda port: [PORT77, "serve", "--config", ground.config]
ground.gateway.environment = {"CANARY_HOST": password, "CANARY_FTP": ftp_password, "CANARY_HOOK": hook_secret}
catcher = Catcher()
ground.host.start()
ground.write_config()

# -- callers

made = run(PORT77, "keys", "create", "--data", ground.data, "--name", "canary", "--owner", "canary", "--scope", "admin")
match = re.search(rb"rje_[a-z0-9]+_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}[A-Za-z0-9_-]{6}", made.stdout)
score.check("a key is made", match is not None, made.stdout + made.stderr)
if not match:
    ground.host.stop()
    score.close()
api_key = match.group().decode()
known.keep("API key", api_key)
known.spellings["API key"].add(api_key.rsplit("_", 1)[-1][:43].encode())
callers = {
    "key": {"Authorization": f"Bearer {api_key}"},
    "basic": {"Authorization": "Basic " + base64.b64encode(f"{api_key}:".encode()).decode()},
    "token": {"Authorization": f"Bearer {good_token}"},
    "nobody": {},
    "expired token": {"Authorization": f"Bearer {old_token}"},
    "bent token": {"Authorization": f"Bearer {bent_token}"},
    "wrong password": {"Authorization": "Basic " + base64.b64encode(f"user:{wrong_password}".encode()).decode()},
}
ground.gateway.start()
client = Client(ground.gateway)


def call(method, target, body=None, headers=None, who="key", where=None):
    """Calls, and searches the answer; the refused callers are few, lest their address be locked out."""
    answer = client.call(method, target, body, dict(callers[who], **(headers or {})), timeout=20)
    if answer is None:
        return None
    head = "\n".join(f"{name}: {value}" for name, value in answer[1].items()).encode()
    search(where or f"{method} {target}", head + b"\n" + answer[2])
    return answer[0], answer[1], json.loads(answer[2]) if answer[2][:1] in (b"{", b"[") and b"json" in answer[1].get(
        "content-type", "").encode() and b"ndjson" not in answer[1].get("content-type", "").encode() else answer[2]


# -- the secrets the gateway has made itself

for name in os.listdir(ground.data):
    path = os.path.join(ground.data, name)
    if os.path.isfile(path) and os.path.getsize(path) <= 64 and ("secret" in name or "pepper" in name):
        with open(path, "rb") as file:
            known.keep(f"the gateway's {name}", file.read())
        score.check(f"{name} is for its owner only", os.stat(path).st_mode & 0o77 == 0)
with sqlite3.connect(f"file:{os.path.join(ground.data, 'port77.db')}?mode=ro", uri=True) as store:
    for number, (key,) in enumerate(store.execute("SELECT secret FROM signing_keys")):
        known.keep(f"private key {number + 1} of the gateway", key.split("_", 1)[-1].rstrip("="))

# -- work

DECK = (f"//CANARY JOB (1),'CANARY',CLASS=A,PASSWORD=({card_password},{card_new})\n"
        "//S1 EXEC PGM=LINES,PARM=3\n//SYSPRINT DD SYSOUT=*\n").encode()
endpoint = call("POST", "/v1/webhooks", json.dumps({
    "url": catcher.url + "/hook", "events": ["job.*"], "secret": endpoint_secret,
    "headers": {"Authorization": f"Bearer {receiver_token}"}}).encode(), {"Content-Type": "application/json"},
    where="the webhook as it was made")
client_pem = certificates["client key of a webhook"]
shown = call("POST", "/v1/webhooks", json.dumps({
    "url": catcher.url + "/tls", "events": ["host.*"], "tls": {"client_certificate": open(client_pem[1]).read(), "client_key": open(client_pem[0]).read()}
}).encode(), {"Content-Type": "application/json"}, where="the webhook with a client key as it was made")
failing = call("POST", "/v1/webhooks", json.dumps({
    "url": catcher.url + "/fails", "events": ["job.*"], "headers": {"Authorization": f"Bearer {receiver_token}"}}).encode(),
    {"Content-Type": "application/json"}, where="the webhook as it was made, its secret by the gateway")
score.check("webhooks are made", endpoint and failing and endpoint[0] == failing[0] == 201, (endpoint, failing))
jobs = []
for who in ("key", "token"):
    job = call("POST", "/v1/jobs?host=demo&notify=" + urllib.parse.quote(catcher.url + "/notified"), DECK,
               {"Content-Type": "text/plain", "Prefer": "wait=20", "Notify-Secret": notify_secret, "Idempotency-Key": "canary"}, who)
    score.check(f"a job of the {who} runs", job and job[0] == 201 and job[2].get("state") == "completed", job)
    jobs.append(job[2]["id"])
job = call("POST", "/v1/jobs?host=demo&symbol.WORD=" + symbol_value, b"//SYMBOL JOB (1),TEST\n//S1 EXEC PGM=ECHO,PARM=${WORD}\n//SYSPRINT DD SYSOUT=*\n",
           {"Content-Type": "text/plain", "Prefer": "wait=20"})
score.check("a job with a symbol runs", job and job[0] == 201 and job[2].get("state") == "completed", job)
jobs.append(job[2]["id"])
call("POST", "/v1/jobs?host=refused", DECK, {"Content-Type": "text/plain"})
call("POST", "/v1/jobs?host=files", DECK, {"Content-Type": "text/plain"})

# -- wrong values, in every place

TEXT, JSON = {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}
for who, body, headers, target in [
    ("key", DECK.replace(b"CLASS=A,", b"CLASS=A,,\t"), TEXT, "/v1/jobs?host=demo"),
    ("key", DECK + b"//S2 EXEC PGM=X," + card_password.encode() * 9 + b"\n", TEXT, "/v1/jobs?host=demo"),
    ("key", DECK, dict(TEXT, **{"Notify-Secret": "!" + notify_secret}), "/v1/jobs?notify=http://127.0.0.1:1/"),
    ("key", DECK, dict(TEXT, **{"Notify-Secret": notify_secret}), "/v1/jobs?host=demo"),
    ("key", DECK, TEXT, f"/v1/jobs?host=demo&notify=http://user:{url_password}@127.0.0.1:1/"),
    ("key", DECK, TEXT, f"/v1/jobs?host=demo&notify=ftp://user:{url_password}@127.0.0.1:1/"),
    ("key", DECK, dict(TEXT, **{"Idempotency-Key": "canary"}), "/v1/jobs?host=demo&priority=9"),
    ("key", json.dumps({"host": "demo", "deck": 7, "notify": [{"url": "x", "secret": notify_secret}]}).encode(), JSON, "/v1/jobs"),
    ("key", b'{"host": "demo", "notify_secret": "' + notify_secret.encode() + b'"', JSON, "/v1/jobs"),
    ("key", json.dumps({"url": f"https://u:{url_password}@127.0.0.1/", "secret": endpoint_secret}).encode(), JSON, "/v1/webhooks"),
    ("key", json.dumps({"url": catcher.url, "secret": endpoint_secret[6:]}).encode(), JSON, "/v1/webhooks"),
    ("key", json.dumps({"url": catcher.url, "headers": {"Authorization": receiver_token + "\n"}}).encode(), JSON, "/v1/webhooks"),
    ("key", json.dumps({"url": catcher.url, "headers": {"Host": receiver_token}}).encode(), JSON, "/v1/webhooks"),
    ("nobody", DECK, TEXT, "/v1/jobs?host=demo"),
    ("expired token", DECK, TEXT, "/v1/jobs?host=demo"),
    ("bent token", DECK, TEXT, "/v1/jobs?host=demo"),
    ("wrong password", DECK, TEXT, "/v1/jobs?host=demo"),
]:
    answer = call("POST", target, body, headers, who)
    score.check(f"refused: {target[:60]} of {who}", answer and 400 <= answer[0] < 500, answer)
# Where a key should never be: in a URL, in another field, in a body. It is told back to nobody.
for who, target, headers in [
    ("nobody", f"/v1/jobs?key={api_key}", {}), ("nobody", f"/v1/jobs?access_token={good_token}", {}), ("key", f"/v1/jobs?api_key={api_key}", {}),
    ("key", f"/v1/jobs?{api_key}", {}), ("key", f"/v1/jobs/{api_key}", {}), ("key", f"/v1/jobs/{good_token}", {}), ("key", f"/v1/{api_key}", {}), ("key", f"/v1/keys/{api_key}", {}),
    ("key", f"/v1/jobs?cursor={api_key}", {}), ("nobody", "/v1/events?ticket=" + api_key, {}), ("nobody", "/v1/jobs", {"X-API-Key": api_key}),
    ("nobody", "/v1/jobs", {"Cookie": f"key={api_key}"}), ("key", "/v1/jobs", {"X-Request-ID": api_key}),
    ("key", "/v1/jobs", {"traceparent": api_key}), ("key", f"/v1/jobs?symbol.X={symbol_value}", {}),
]:
    answer = call("GET", target, None, headers, who, where="a key where none belongs")
    score.check(f"answered: {re.sub(r'=.*|rje_.*', '', target)} {' '.join(headers)}", answer is not None and answer[0] < 500, answer)
if endpoint:
    path = f"/v1/webhooks/{endpoint[2]['id']}"
    call("POST", path + "/test", b"", who="key")
    call("PATCH", path, json.dumps({"secret": endpoint_secret}).encode(), JSON)
    call("POST", path + "/rotate", b"", where="the new secret of a webhook")
for raw in (f"GET /v1/jobs HTTP/1.1\r\nAuthorization: Bearer {api_key}\r\n\r\n",
            f"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer {api_key}\r\n\r\n",
            f"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api_key}\x01\r\n\r\n"):
    with socket.create_connection(("127.0.0.1", ground.gateway.port), 10) as line:
        line.sendall(raw.encode())
        line.settimeout(10)
        heard = b""
        while piece := line.recv(65536):
            heard += piece
        search("the parser's refusal", heard)

# -- every GET of the description, to every kind of caller

deliveries = client.json("GET", f"/v1/jobs/{jobs[0]}/deliveries", headers=callers["key"])
delivery = (deliveries[1].get("items") or [{}])[0].get("id", "1") if deliveries else "1"
keys = client.json("GET", "/v1/keys", headers=callers["key"])
key_id = (keys[1].get("items") or [{}])[0].get("id", "x") if keys and keys[0] == 200 else "x"
values = {"file": "app.js", "slug": "not-found", "number": "1"}


def filled(path):
    kinds = {"/v1/jobs/": jobs[0], "/v1/webhooks/": endpoint[2]["id"] if endpoint else "x", "/v1/deliveries/": delivery,
             "/v1/hosts/": "demo", "/v1/keys/": key_id}
    identity = next((value for prefix, value in kinds.items() if path.startswith(prefix)), "1")
    return re.sub(r"\{(\w+)\}", lambda name: values.get(name.group(1), identity), path)


paths = []
with open(ROUTES) as file:
    path = None
    for line in file:
        if match := re.match(r"  (/\S*):$", line):
            path = match.group(1)
        elif re.match(r"    get:", line) and path:
            paths.append(path)
score.check("the description has its routes", len(paths) > 25, paths)
served = 0
for path in paths:
    for accept in ("application/json", "text/plain", "application/x-ndjson", "text/html", "text/csv"):
        answer = call("GET", filled(path), headers={"Accept": accept}, where=f"GET {path}")
        served += answer is not None and answer[0] < 300
    call("GET", filled(path), who="token", where=f"GET {path}")
    call("GET", filled(path), who="nobody", where=f"GET {path} of nobody")
for target in (f"/v1/jobs/{jobs[0]}/outputs/1", f"/v1/jobs/{jobs[0]}/outputs/2", f"/v1/jobs/{jobs[0]}/outputs/3", "/v1/hosts/refused",
               "/v1/hosts/files", f"/v1/jobs/{jobs[1]}"):
    call("GET", target, where="GET /v1/jobs/{id}/outputs/{number}" if "outputs" in target else None)
score.check("most routes answer", served > 40, served)
with socket.create_connection(("127.0.0.1", ground.gateway.port), 10) as line:
    line.sendall(f"GET /v1/jobs/{jobs[0]}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api_key}\r\n"
                 "Accept: text/event-stream\r\nConnection: close\r\n\r\n".encode())
    line.settimeout(10)
    heard = b""
    while piece := line.recv(65536):
        heard += piece
    search("event stream", heard)

# -- what the commands say

environment = dict(os.environ, CANARY_HOST=password, CANARY_FTP=ftp_password, CANARY_HOOK=hook_secret, PORT77_KEY=api_key)
bad = os.path.join(folder, "bad.yaml")
with open(ground.config) as good, open(bad, "w") as file:
    file.write(good.read().replace("password: {env: CANARY_HOST}", f"password: {wrong_password}").replace("listen:", "lisen:"))
url = f"http://127.0.0.1:{ground.gateway.port}"
for name, arguments in [
    ("config check", ["config", "check", ground.config]), ("config check of faults", ["config", "check", bad]),
    ("serve with faults", ["serve", "--config", bad]), ("keys list", ["keys", "list", "--data", ground.data]),
    ("list", ["list", "--gateway", url]), ("status", ["status", jobs[0], "--gateway", url]), ("hosts", ["hosts", "--gateway", url]),
    ("backup", ["backup", "--config", ground.config, os.path.join(folder, "backup")]),
    ("backup --verify", ["backup", "--verify", os.path.join(folder, "backup")]),
]:
    said = run(PORT77, *arguments, env=environment)
    search(f"port77 {name}", said.stdout + said.stderr)
manifests = [name for name in os.listdir(os.path.join(folder, "backup")) if "manifest" in name.lower()]
score.check("the backup has a manifest", len(manifests) == 1, manifests)
for name in manifests:
    with open(os.path.join(folder, "backup", name), "rb") as file:
        search("the backup's manifest", file.read())

# -- logs and webhooks

ground.stop()
for name in ("gateway.log", "host.log"):
    with open(os.path.join(folder, name), "rb") as file:
        search(name, file.read())
for headers, body in catcher.requests:
    search("the head of a webhook", headers)
    search("the body of a webhook", body)
score.check("webhooks have come", len(catcher.requests) >= 4, len(catcher.requests))

# -- the verdict

CARD = {"password on the job card", "new password on the job card"}
ALLOWED = {  # the deck and what the host prints of it, to its owner; what is shown once, to who made it; the receiver's own
    **{(name, "GET /v1/jobs/{id}/deck"): True for name in CARD},
    **{(name, f"GET /v1/jobs/{{id}}/{where}"): False for name in CARD for where in ("output", "outputs/{number}")},
    ("endpoint secret", "the webhook as it was made"): False,
    **{("value of a symbol", f"GET /v1/jobs/{{id}}/{where}"): False for where in ("deck", "output", "outputs/{number}")},
    ("Authorization to a receiver", "the head of a webhook"): True,
}
for place, must in ALLOWED.items():
    if must:
        score.check(f"rightly there: {place[0]}, in {place[1]}", place in found)
for name in known.values:
    places = [(where, octets) for (other, where), octets in found.items() if other == name and (name, where) not in ALLOWED]
    score.check(f"nowhere else: {name}", not places, places)
print(f"{len(known.values)} secrets, {searched} answers, logs and files searched")
if "--keep" not in sys.argv:
    shutil.rmtree(folder, ignore_errors=True)
score.close()
