"""Ground for the campaigns: real processes on loopback, and ledgers kept outside of them.

The checker knows the HTTP API, the webhook signature and the reference host's ledger; of the gateway's inside it knows nothing.
"""
import base64
import collections
import hashlib
import hmac
import http.client
import http.server
import json
import os
import random
import signal
import socketserver
import subprocess
import sys
import threading
import time

SECRET = "whsec_" + base64.b64encode(b"campaign-secret-of-32-octets-ok!").decode()


def argument(name, default, kind=int):
    flag = "--" + name
    return kind(sys.argv[sys.argv.index(flag) + 1]) if flag in sys.argv else default


PORT77 = os.path.abspath(argument("port77", ".build/debug/port77", str))  # campaigns run it from other folders too


class Server:
    """One process that prints a ready line; killed and started again on the same port."""

    def __init__(self, folder, name, command, ready):
        self.folder, self.name, self.command, self.ready = folder, name, command, ready
        self.port, self.process, self.starts = 0, None, 0
        self.environment = {}
        self.passed = ()  # descriptors that it inherits

    def start(self, *more, timeout=60):
        self.starts += 1
        log = open(os.path.join(self.folder, f"{self.name}.log"), "ab")
        environment = dict(os.environ, PAYROLL_PASSWORD="secret", HOOK_SECRET=SECRET,
                           **{"PORT77_DRAIN_SECONDS": "0", **self.environment})
        self.process = subprocess.Popen(
            self.command(self.port) + list(more), stdout=subprocess.PIPE, stderr=log, env=environment,
            pass_fds=self.passed)
        log.close()
        got = []
        reader = threading.Thread(target=lambda: got.append(self.process.stdout.readline().decode()), daemon=True)
        reader.start()
        reader.join(timeout)
        line = got[0] if got else ""
        if self.ready not in line:
            raise SystemExit(f"{self.name} did not become ready: {line!r}; see {self.folder}/{self.name}.log")
        self.port = int(line.strip().rsplit(":", 1)[1])
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self, timeout=60):
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else 0
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "did not end on SIGTERM"
        self.process.stdout.close()
        return code

    def resident(self):
        """MiB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Receiver:
    """Takes webhooks, verifies each, and keeps what came."""

    def __init__(self):
        self.lock = threading.Lock()
        self.bodies, self.counts, self.bad = {}, collections.Counter(), []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.take(self.headers, body)
                self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 1024

            def handle_error(self, *_):
                pass  # a killed gateway resets its connections

        self.server = Threads(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, headers, body):
        event, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "0")
        signed = f"{event}.{stamp}.".encode() + body
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        right = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        with self.lock:
            if right not in headers.get("webhook-signature", "").split() or abs(time.time() - int(stamp)) > 300:
                self.bad.append((event, "signature"))
            if self.bodies.setdefault(event, body) != body:
                self.bad.append((event, "another body under the same id"))
            self.counts[event] += 1

    def by_job(self):
        """Job ID to the list of (event id, type)."""
        jobs = collections.defaultdict(list)
        with self.lock:
            for event, body in self.bodies.items():
                content = json.loads(body)
                jobs[content["data"].get("id")].append((event, content["type"]))
        return jobs


class Client:
    """One keep-alive connection; every call says whether an answer came."""

    def __init__(self, gateway):
        self.gateway, self.connection = gateway, None

    def call(self, method, target, body=None, headers=None, timeout=90):
        """(status, headers, body), or None when the connection failed."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=timeout)
            self.connection.request(method, target, body, headers or {})
            answer = self.connection.getresponse()
            content = answer.read()
            if answer.will_close:
                self.close()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, content
        except (OSError, http.client.HTTPException):
            self.close()
            return None

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def json(self, method, target, **more):
        answer = self.call(method, target, **more)
        return None if answer is None else (answer[0], json.loads(answer[2] or b"null"))


class Ground:
    def __init__(self, folder, host_arguments=(), host_data=True, config_more=""):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.receiver = folder, Receiver()
        self.ledger_path = os.path.join(folder, "host-ledger.jsonl")
        host_folder = ["--data", os.path.join(folder, "host")] if host_data else []
        self.host = Server(
            folder, "host",
            lambda port: [PORT77, "host", "--listen", f"127.0.0.1:{port}", "--user", "RMT1:secret", "--ledger",
                          self.ledger_path, *host_folder, *host_arguments], "host ready")
        self.config = os.path.join(folder, "port77.yaml")
        self.data = os.path.join(folder, "gateway")
        self.config_more = config_more
        self.host_more = ""  # one more line of the host's configuration
        self.gateway = Server(
            folder, "gateway", lambda port: [PORT77, "serve", "--config", self.config, "--listen", f"127.0.0.1:{port}"],
            "port77 ready")

    def write_config(self):
        with open(self.config, "w") as file:
            file.write(f"""
listen: 127.0.0.1:0
data: {self.data}
hosts:
  - id: demo
    protocol: priv-rje
    address: 127.0.0.1:{self.host.port}
    user: RMT1
    password: {{env: PAYROLL_PASSWORD}}
    sessions: {{min: 1, max: 4}}
    answer_seconds: 5
    {self.host_more}
webhooks: {{secret: {{env: HOOK_SECRET}}, allow_networks: [127.0.0.0/8]}}
log: {{level: notice}}
{self.config_more}""")

    def start(self):
        self.host.start()
        self.write_config()
        self.gateway.start()
        return self

    def stop(self):
        return self.gateway.stop(), self.host.stop()

    def ledger(self):
        """One by one: a host that was killed a thousand times has gigabytes of them."""
        with open(self.ledger_path) as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # the line that a kill cut short


class Score:
    def __init__(self, name):
        self.name, self.passed, self.failed = name, 0, 0

    def check(self, claim, holds, evidence=""):
        if holds:
            self.passed += 1
            print(f"ok: {claim}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED: {claim}: {str(evidence)[:1500]}", flush=True)

    def close(self):
        print(f"{self.name}: {self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed else 0)


def deck(number, randomness):
    """A deck of one of several kinds, different for each number."""
    name = f"J{number % 10_000_000:07d}"
    head = f"//{name} JOB (1),'CAMPAIGN {number}',CLASS=A\n"
    kind = randomness.randrange(4)
    if kind == 0:
        return head + f"//S1 EXEC PGM=LINES,PARM={randomness.randrange(1, 60)}\n//SYSPRINT DD SYSOUT=*\n"
    if kind == 1:
        lines = "".join(f"RECORD {i} OF JOB {number}\n" for i in range(randomness.randrange(1, 30)))
        return (head + "//S1 EXEC PGM=IEBGENER\n//SYSPRINT DD SYSOUT=*\n//SYSUT2 DD SYSOUT=*\n//SYSIN DD DUMMY\n"
                f"//SYSUT1 DD *\n{lines}/*\n")
    if kind == 2:
        return head + f"//S1 EXEC PGM=RC,PARM={randomness.choice([0, 4, 8])}\n//S2 EXEC PGM=IEFBR14\n"
    return head + f"//S1 EXEC PGM=CARDS,PARM={randomness.randrange(1, 20)}\n//SYSPUNCH DD SYSOUT=B\n"


def seeded():
    seed = argument("seed", random.randrange(1 << 32))
    print(f"seed {seed} (repeat with --seed {seed})", flush=True)
    return random.Random(seed)


def output_hashes(client, job):
    """SHA-256 of each output file as the gateway gives it raw, and as its document says."""
    hashes = []
    for file in job["outputs"]:
        answer = client.call("GET", f"/v1/jobs/{job['id']}/outputs/{file['number']}",
                             headers={"Accept": "application/octet-stream"})
        hashes.append(None if answer is None or answer[0] != 200 else hashlib.sha256(answer[2]).hexdigest())
    return hashes
