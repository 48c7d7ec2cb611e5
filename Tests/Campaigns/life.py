"""The life of a gateway: restarts, reloads and new certificates under load, proxies, sockets, the service manager.

    python3 Tests/Campaigns/life.py --port77 .build/debug/port77 --restarts 5
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import warnings

import ground
from ground import PORT77, Client, Ground, Score, argument

DECK = b"//LIFE JOB (1),TEST\n//S1 EXEC PGM=IEFBR14\n"
ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def until(holds, seconds=30):
    """Whether it came to hold in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return bool(holds())


class Door:
    """A way to the host that counts who goes through: each connection is a sign-on."""

    def __init__(self, port):
        self.target, self.count = port, 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            self.count += 1
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    @staticmethod
    def copy(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Load:
    """Clients that hand in jobs, each under a key of its own, over connections that stay open."""

    def __init__(self, connect, clients=4):
        self.connect, self.lock = connect, threading.Lock()
        self.jobs, self.broken, self.stale, self.running = {}, [], 0, True
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        connection, count, is_fresh = None, 0, True
        while self.running:
            key = f"life-{number}-{count}"
            try:
                if connection is None:
                    connection, is_fresh = self.connect(), True
                connection.request("PUT", f"/v1/jobs/{key}?host=one", DECK, {"Content-Type": "text/plain"})
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != 201:
                    raise RuntimeError(f"{answer.status} {content[:300]}")
                with self.lock:
                    self.jobs[key] = json.loads(content)["id"]
                count += 1
                is_fresh = False
                if answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException, RuntimeError) as error:
                with self.lock:
                    # A connection that lay idle may be closed at any time; the key makes trying again safe.
                    if is_fresh or isinstance(error, RuntimeError):
                        self.broken.append(f"{key}: {error!r}")
                    else:
                        self.stale += 1
                if connection is not None:
                    connection.close()
                connection = None

    def more(self, jobs, seconds=30):
        goal = len(self.jobs) + jobs
        return until(lambda: len(self.jobs) >= goal or self.broken, seconds)

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()


class Manager:
    """What systemd would hear."""

    def __init__(self):
        self.name = f"port77-life-{os.getpid()}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name)
        self.heard = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            self.heard.append(self.socket.recv(4096).decode())

    def has(self, word, since=0):
        return any(word in notice for notice in self.heard[since:])


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def certificates(folder):
    """An authority, and under it two certificates for localhost and an expired one, each with a key of its own."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    at = lambda name: os.path.join(folder, name)  # noqa: E731
    openssl("req", "-x509", *key, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "2", "-subj", "/CN=life")
    for name, days in (("first", "2"), ("second", "2"), ("expired", "-1")):
        openssl("req", *key, "-keyout", at(name + ".key"), "-out", at(name + ".csr"), "-subj", f"/CN={name}",
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        openssl("x509", "-req", "-in", at(name + ".csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial",
                "-out", at(name + ".pem"), "-days", days, "-copy_extensions", "copyall")


def lay(folder, name):
    """Renews the served certificate as a client of an authority does: each file replaced in one step."""
    for end in ("pem", "key"):
        shutil.copy(f"{folder}/{name}.{end}", f"{folder}/served.{end}.new")
        os.rename(f"{folder}/served.{end}.new", f"{folder}/served.{end}")


class Life(Ground):
    """One gateway at four places: an inherited socket, TLS, a socket of the file system, and one behind proxies."""

    def __init__(self, folder):
        super().__init__(folder)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.gateway.passed = (self.listener.fileno(),)
        self.gateway.command = lambda port: [PORT77, "serve", "--config", self.config]
        self.manager = Manager()
        self.gateway.environment = {
            "NOTIFY_SOCKET": "@" + self.manager.name, "WATCHDOG_USEC": "400000", "PORT77_DRAIN_SECONDS": "0"}
        certificates(folder)
        lay(folder, "first")
        self.hosts, self.one, self.webhooks = {}, "", ""

    def write_config(self):
        hosts = "\n".join(
            f"  - {{id: {name}, protocol: priv-rje, address: '127.0.0.1:{door.port}', user: RMT1, "
            f"password: {{env: PAYROLL_PASSWORD}}, sessions: {{min: {sessions}, max: {sessions}}}}}"
            for name, (door, sessions) in self.hosts.items())
        hosts = hosts.replace("{id: one,", f"{{id: one, {self.one}")
        with open(self.config, "w") as file:
            file.write(f"""
listen:
  - {{at: 'fd:{self.listener.fileno()}', tls: false}}
  - 127.0.0.1:0
  - {{at: 'unix:{self.folder}/port77.sock', mode: "0600"}}
tls: {{certificate: {self.folder}/served.pem, key: {self.folder}/served.key}}
proxies: [127.0.0.2, {{network: 127.0.0.3, sends: forwarded}}]
data: {self.data}
hosts:
{hosts}
webhooks: {{secret: {{env: HOOK_SECRET}}{self.webhooks}}}
log: {{level: info, access: info}}
""")

    def start_gateway(self):
        self.gateway.start()
        lines = [self.gateway.process.stdout.readline().decode() for _ in range(2)]
        self.tls_port = int(lines[0].strip().rsplit(":", 1)[1])

    def reload(self):
        """SIGHUP; returns when the service manager has heard the end of it."""
        since = len(self.manager.heard)
        self.gateway.process.send_signal(signal.SIGHUP)
        return until(lambda: self.manager.has("RELOADING=1\nMONOTONIC_USEC=", since)
                     and self.manager.has("READY=1", since))

    def log(self):
        with open(os.path.join(self.folder, "gateway.log")) as file:
            return file.read()

    def context(self):
        return ssl.create_default_context(cafile=f"{self.folder}/ca.pem")

    def subject(self):
        with self.context().wrap_socket(socket.create_connection(("127.0.0.1", self.tls_port), 30),
                                        server_hostname="localhost") as line:
            return dict(item[0] for item in line.getpeercert()["subject"])["commonName"]


def restarts(life, score, count):
    """The parent holds the socket: whoever comes in between waits in its queue."""
    port = life.listener.getsockname()[1]
    load = Load(lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=60))
    codes = []
    for _ in range(count):
        load.more(20)
        codes.append(life.gateway.stop())
        life.start_gateway()
    load.more(20)
    load.stop()
    score.check(f"{count} restarts: every stop ends with code 0", codes == [0] * count, codes)
    score.check(f"{len(load.jobs)} jobs over {count} restarts: no connection refused, none cut, no answer but 201 "
                f"({load.stale} idle connections were closed and the key sent again)", not load.broken, load.broken[:5])
    score.check("the service manager heard READY, STOPPING and that we are alive",
                all(life.manager.has(word) for word in ("READY=1\nSTATUS=", "STOPPING=1", "WATCHDOG=1")), life.manager.heard)
    client = Client(life.gateway)

    def ended():
        return client.json("GET", "/v1/hosts/one")[1]["jobs"].get("completed", 0) >= len(load.jobs)
    score.check("all of them end", until(ended, 60), client.json("GET", "/v1/hosts/one"))
    ran = [event["job"] for event in life.ledger() if event["event"] == "run"]
    score.check("the host ran each once", len(ran) == len(set(ran)) == len(set(load.jobs.values())),
                (len(ran), len(set(ran)), len(set(load.jobs.values()))))


def leaves(life, score):
    """SIGTERM: announced while all is served, then waits and streams end as they should."""
    port = life.listener.getsockname()[1]
    life.gateway.stop()
    life.gateway.environment["PORT77_DRAIN_SECONDS"] = "5"
    life.start_gateway()
    client = Client(life.gateway)
    job = client.json("POST", "/v1/jobs?host=one&hold=true", body=DECK, headers={"Content-Type": "text/plain"})[1]["id"]
    client.close()
    ends = {}

    def ask(name, target, headers):
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            line.request("GET", target, headers=headers)
            answer = line.getresponse()
            ends[name + " began"] = True
            ends[name] = (answer.status, answer.read().decode())
        except (OSError, http.client.HTTPException) as error:
            ends[name] = (0, repr(error))
    threads = [threading.Thread(target=ask, args=what) for what in (
        ("wait", f"/v1/jobs/{job}", {"Prefer": "wait=50"}), ("stream", "/v1/events", {"Accept": "text/event-stream"}))]
    for thread in threads:
        thread.start()
    # The wait has no visible begin: it is in once its connection is, which the stream's answer comes after.
    until(lambda: "stream began" in ends)
    load = Load(lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=60), clients=2)
    load.more(5)
    life.gateway.process.send_signal(signal.SIGTERM)
    said = []

    def announced():
        said.append(curl(f"http://127.0.0.1:{port}/readyz"))
        return " 503 " in said[-1] or life.gateway.process.poll() is not None
    until(announced, 10)
    ready, alive = said[-1], curl(f"http://127.0.0.1:{port}/livez")
    score.check("a stop is announced: /readyz is 503, every answer the last of its connection, all is served still",
                " 503 " in ready and "connection: close" in ready.lower() and " 200 " in alive
                and "connection: close" in alive.lower() and load.more(5), (ready, alive))
    code = life.gateway.process.wait(60)
    life.gateway.process.stdout.close()
    for thread in threads:
        thread.join()
    score.check("then a wait ends with the job as it is", ends["wait"][0] == 200 and '"held"' in ends["wait"][1], ends["wait"])
    score.check("and an event stream ends in order", ends["stream"][0] == 200 and "retry: " in ends["stream"][1], ends["stream"])
    life.gateway.environment["PORT77_DRAIN_SECONDS"] = "0"
    life.start_gateway()
    load.more(5)
    load.stop()
    score.check(f"the code is 0, and of {len(load.jobs)} jobs none was refused", code == 0 and not load.broken,
                (code, load.broken[:3]))
    client = Client(life.gateway)
    score.check("the next one has what was held", client.call("POST", f"/v1/jobs/{job}/cancel")[0] in (200, 202))


def reloads(life, score):
    """SIGHUP while jobs go in: only the host that was changed signs on again."""
    port = life.listener.getsockname()[1]
    one, two = life.hosts["one"][0], Door(life.host.port)
    client = Client(life.gateway)
    until(lambda: client.json("GET", "/v1/hosts/one")[1]["pool"]["sessions_up"] == 2)
    load = Load(lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=60))
    load.more(10)
    before = one.count
    life.hosts["two"] = (two, 1)
    life.write_config()
    score.check("a host is added by SIGHUP", life.reload() and until(lambda: two.count == 1), (two.count, life.log()[-500:]))
    life.hosts["two"] = (two, 2)
    life.write_config()
    score.check("one that was changed signs on anew", life.reload() and until(lambda: two.count >= 3), two.count)
    load.more(10)
    del life.hosts["two"]
    life.write_config()
    score.check("one that was removed is gone", life.reload()
                and until(lambda: client.call("GET", "/v1/hosts/two")[0] == 404), life.log()[-500:])
    life.one = "require_key: true, "
    life.write_config()
    bare = lambda: client.call("POST", "/v1/jobs?host=one", DECK, {"Content-Type": "text/plain"})[0]  # noqa: E731
    score.check("a rule for new jobs holds at once", bare() == 201 and life.reload() and bare() == 400)
    life.webhooks = ", strict_ports: true"
    life.write_config()
    body = json.dumps({"url": "https://ci.example:9443/hook"})
    hook = lambda: client.call("POST", "/v1/webhooks", body, {"Content-Type": "application/json"})  # noqa: E731
    before_it, reloaded, after_it = hook(), life.reload(), hook()
    score.check("rules for webhooks hold at once", reloaded and (before_it[0], after_it[0]) == (201, 422)
                and b"443 and 8443" in after_it[2] and "webhooks changed" in life.log(), (before_it, after_it))
    life.webhooks = ""
    with open(life.config, "a") as file:
        file.write("colour: green\n")
    line = sum(1 for _ in open(life.config))
    score.check("a faulty file is refused with its line, and the old one kept",
                life.reload() and f"line {line}, column 1: colour is not known" in life.log()
                and client.call("GET", "/v1/hosts/one")[0] == 200, life.log()[-500:])
    load.more(10)
    load.stop()
    score.check(f"meanwhile {len(load.jobs)} jobs went in, none was refused", not load.broken, load.broken[:5])
    score.check("the host that stayed as it was has kept its sessions", one.count == before, (before, one.count))
    audit = client.json("GET", "/v1/audit?subject=configuration")[1]["items"]
    score.check("each reload is in the audit log", len(audit) == 6 and "hosts added: two" in json.dumps(audit[-1]), audit)
    life.write_config()


def tls(life, score):
    folder, port = life.folder, life.tls_port
    score.check("the first certificate is served", life.subject() == "first")
    context = life.context()
    load = Load(lambda: http.client.HTTPSConnection("localhost", port, timeout=60, context=context))
    standing = http.client.HTTPSConnection("localhost", port, timeout=60, context=context)
    standing.request("GET", "/livez")
    standing.getresponse().read()
    lay(folder, "second")
    score.check("a renewed certificate is taken up by itself", until(lambda: life.subject() == "second"), life.log()[-300:])
    shutil.copy(f"{folder}/first.pem", f"{folder}/served.pem")
    score.check("one without its key is not", until(lambda: "the old one stays" in life.log())
                and life.subject() == "second")
    lay(folder, "first")
    score.check("SIGHUP takes it up at once", life.reload() and life.subject() == "first", life.log()[-300:])
    standing.request("GET", "/livez")
    answer = standing.getresponse()
    answer.read()
    score.check("a connection from before is still there", answer.status == 200)
    load.more(10)
    load.stop()
    score.check(f"meanwhile {len(load.jobs)} jobs went in over TLS, none was cut", not load.broken and load.jobs,
                load.broken[:5])
    score.check("answers over TLS send browsers to TLS only, others do not",
                answer.getheader("strict-transport-security") and "strict-transport" not in
                curl(f"http://127.0.0.1:{life.listener.getsockname()[1]}/livez").lower())
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        old.wrap_socket(socket.create_connection(("127.0.0.1", port), 30)).close()
        refusal = "taken"
    except (ssl.SSLError, OSError) as error:
        refusal = str(error)
    score.check("TLS 1.1 is refused", "PROTOCOL_VERSION" in refusal.upper(), refusal)
    for version in ("-tls1_2", "-tls1_3"):
        said = subprocess.run(["openssl", "s_client", version, "-connect", f"127.0.0.1:{port}", "-CAfile", f"{folder}/ca.pem",
                               "-verify_return_error"], input=b"", capture_output=True, timeout=30).stdout.decode()
        score.check(f"openssl s_client {version} verifies it", "Verify return code: 0 (ok)" in said, said[-500:])


def curl(*words):
    return subprocess.run(["curl", "-si", "-m", "30", *words], capture_output=True, text=True, timeout=60).stdout


def documented(life, score):
    """The lines of docs/operations.md, and the units."""
    path = f"{life.folder}/port77.sock"
    mode = os.stat(path).st_mode & 0o777
    score.check("the socket of the file system has its mode", mode == 0o600, oct(mode))
    with open(os.path.join(ROOT, "docs/operations.md")) as page:
        lines = re.search(r"<!-- check: operations -->\n```sh\n(.*?)```", page.read(), re.S)[1].splitlines()
    for line in lines:
        for from_, to in (("/etc/port77/ca.pem", f"{life.folder}/ca.pem"), ("localhost:8443", f"localhost:{life.tls_port}"),
                          ("/run/port77/api.sock", path), ("port77 list", f"{PORT77} list"), ("curl ", "curl -s ")):
            line = line.replace(from_, to)
        told = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60)
        score.check(f"docs/operations.md: {line.replace(life.folder, '...')}", told.returncode == 0
                    and ("ok" in told.stdout or "LIFE" in told.stdout), told)
    if shutil.which("systemd-analyze"):
        for unit in ("service", "socket"):
            with open(os.path.join(ROOT, f"docker/port77.{unit}")) as file:
                text = file.read().replace("/usr/local/bin/port77", "/bin/true")
            with open(f"{life.folder}/port77.{unit}", "w") as file:
                file.write(text)
        told = subprocess.run(["systemd-analyze", "verify", f"{life.folder}/port77.service", f"{life.folder}/port77.socket"],
                              capture_output=True, text=True, timeout=60)
        score.check("systemd-analyze finds nothing in the units", told.returncode == 0 and not told.stderr.strip(), told)


def proxied(life, score):
    """The client's address is what a proxy of ours says, and nobody else."""
    port = life.listener.getsockname()[1]

    def ask(source, name, header=b"", field=""):
        with socket.create_connection(("127.0.0.1", port), 30, source_address=(source, 0)) as line:
            line.sendall(header + f"GET /problems/{name} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{field}\r\n".encode())
            said = b""
            try:
                while piece := line.recv(65536):
                    said += piece
            except OSError:
                pass
            return said
    header = SIGNATURE + b"\x21\x11\x00\x0c" + socket.inet_aton("192.0.2.7") + socket.inet_aton("127.0.0.1") + struct.pack(
        "!HH", 4711, port)
    said = [ask("127.0.0.2", "proxied", header), ask("127.0.0.2", "bare"), ask("127.0.0.1", "stranger", header),
            ask("127.0.0.3", "forwarded", field="Forwarded: for=6.6.6.6, for=192.0.2.8\r\n"),
            ask("127.0.0.1", "believed", field="Forwarded: for=192.0.2.9\r\n")]
    score.check("a proxy's header is taken, without it nobody is heard, from others it is a fault of the protocol",
                [b" 404 " in said[0], said[1], b" 400 " in said[2]] == [True, b"", True], said)
    wanted = {"proxied": "192.0.2.7", "forwarded": "192.0.2.8", "believed": "127.0.0.1"}

    def found():
        lines = life.log().splitlines()
        return {name for name, client in wanted.items()
                if any(f"/problems/{name} " in line + " " and f"client={client} " in line + " " for line in lines)}
    score.check("log lines name the client and not the proxy", until(lambda: found() == set(wanted), 10),
                (found(), life.log()[-1000:]))


def self_signed(folder, score):
    """What `serve --tls-self-signed` prints runs as it stands."""
    data = os.path.join(folder, "signed")
    server = ground.Server(folder, "signed", lambda port: [
        PORT77, "serve", "--listen", f"127.0.0.1:{port}", "--data", data, "--tls-self-signed"], "port77 ready https://")
    server.environment = {"PORT77_DRAIN_SECONDS": "0"}
    server.start()
    said = [server.process.stdout.readline().decode() for _ in range(2)]
    print_ = re.search(r"SHA-256 ([0-9A-F:]{95})", said[0])
    own = subprocess.run(["openssl", "x509", "-in", f"{data}/tls/certificate.pem", "-noout", "-fingerprint", "-sha256"],
                         capture_output=True, text=True).stdout
    score.check("--tls-self-signed prints the certificate's fingerprint", print_ and print_[1] in own, (said, own))
    answer = subprocess.run(said[1].removeprefix("try: ").strip() + " -s", shell=True, capture_output=True, text=True,
                            timeout=60).stdout
    score.check("its curl line works", '"items"' in answer, (said, answer))
    key = os.stat(f"{data}/tls/key.pem").st_mode & 0o777
    score.check("the key is for its owner only, and made once",
                server.stop() == 0 and key == 0o600 and server.start() and print_[1] in
                server.process.stdout.readline().decode(), oct(key))
    server.stop()


def activation(folder, score):
    """As systemd starts a service with a socket of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    script = (f'exec 3<&{listener.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=api; '
              f'exec "{PORT77}" serve --data {folder}/activated')
    server = ground.Server(folder, "activated", lambda port: ["bash", "-c", script], "port77 ready")
    server.environment = {"PORT77_DRAIN_SECONDS": "0"}
    server.passed = (listener.fileno(),)
    server.start()
    score.check("a socket that systemd passes is used in place of listen:", server.port == port
                and "200 OK" in curl(f"http://127.0.0.1:{port}/livez"), (server.port, port))
    # A body that is under way has 30 s to come, unless somebody insists.
    with socket.create_connection(("127.0.0.1", port), 30) as line:
        line.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\n"
                     b"Content-Length: 100\r\n\r\n")
        asked = line.recv(100)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGINT)
        code = server.process.wait(60)
    score.check("a second signal ends at once, with code 0", asked.startswith(b"HTTP/1.1 100") and code == 0
                and time.monotonic() - began < 20, (asked, code, time.monotonic() - began))
    server.process.stdout.close()


def faults(folder, score):
    """`config check` names the line of what is wrong with the certificate."""
    host = ("hosts: [{id: a, protocol: priv-rje, address: 'h:77', user: u, password: {env: PATH}}]\n")
    cases = [
        ("tls:\n  certificate: /nonexistent.pem\n  key: first.key\n", "line 2, column 16: certificate: "),
        ("tls:\n  certificate: first.pem\n  key: second.key\n", "line 3, column 8: key: "),
        ("tls:\n  certificate: first.key\n  key: first.key\n", "line 2, column 16: certificate: "),
        ("tls:\n  certificate: expired.pem\n  key: expired.key\n", "line 2, column 16: the certificate in expired.pem has "
         "expired"),
        ("tls:\n  certificate: first.pem\n  key: first.key\n  client_certificates: required\n", "line 4, column 24: client_ca"),
        ("listen: 0.0.0.0:1\n", "is beyond this machine"), ("listen: [nonsense]\n", "line 1, column 10: listen is"),
        ("http: {origins: [jobs.example]}\n", "line 1, column 18: origins is a list such as"),
        ("proxies: [10.0.0.0/99]\n", "line 1, column 11: 10.0.0.0/99 is no network"),
    ]
    wrong = []
    for text, words in cases:
        with open(f"{folder}/faulty.yaml", "w") as file:
            file.write(text + host)
        said = subprocess.run([PORT77, "config", "check", "faulty.yaml"], cwd=folder, capture_output=True, text=True,
                              timeout=30)
        if said.returncode != 1 or words not in said.stderr:
            wrong.append((text, said.stderr))
    with open(f"{folder}/faulty.yaml", "w") as file:
        file.write("listen: 0.0.0.0:1\ntls: {certificate: first.pem, key: first.key, client_ca: ca.pem, "
                   "client_certificates: required, minimum: \"1.3\"}\n" + host)
    said = subprocess.run([PORT77, "config", "check", "faulty.yaml"], cwd=folder, capture_output=True, text=True, timeout=30)
    score.check(f"config check: {len(cases)} faults told with their lines, and client certificates open the network",
                not wrong and said.returncode == 0, (wrong, said))


def main():
    score = Score("life")
    folder = tempfile.mkdtemp(prefix="port77-life-")
    life = Life(folder)
    life.host.start()
    life.hosts["one"] = (Door(life.host.port), 2)
    life.write_config()
    life.start_gateway()
    began = time.monotonic()
    for step in (lambda: restarts(life, score, argument("restarts", 5)), lambda: leaves(life, score), lambda: reloads(life, score),
                 lambda: tls(life, score), lambda: documented(life, score), lambda: proxied(life, score), lambda: self_signed(folder, score),
                 lambda: activation(folder, score), lambda: faults(folder, score)):
        step()
        print(f"   {time.monotonic() - began:.1f} s", flush=True)
    score.check("both end with code 0", life.stop() == (0, 0))
    score.close()


if __name__ == "__main__":
    main()
