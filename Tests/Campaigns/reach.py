"""Where webhooks go and where they do not, seen from outside the gateway: its own name server, proxies in the environment,
HTTP/2 receivers, ports that are open or closed behind a forbidden address.

    unshare -rnm "$(scripts/python-with h2 h2)" Tests/Campaigns/reach.py --port77 .build/debug/port77

Needs a network namespace of its own: the name server answers on port 53 and /etc/resolv.conf names it.
"""
import ctypes
import fcntl
import json
import os
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

import h2.config
import h2.connection
import h2.events

from ground import PORT77, SECRET, Client, Score, Server, argument

ALLOWED, FORBIDDEN = "127.0.0.1", "127.0.0.9"
names = argument("names", 100)
score = Score("reach")


def prepare_namespace(folder):
    with socket.socket() as probe:
        fcntl.ioctl(probe, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up, running
    path = os.path.join(folder, "resolv.conf")
    with open(path, "w") as file:
        file.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(path.encode(), b"/etc/resolv.conf", None, 4096, None) != 0:  # MS_BIND
        raise SystemExit(f"/etc/resolv.conf cannot be covered: {os.strerror(ctypes.get_errno())}")


class NameServer:
    """Answers A and AAAA by the first label of the name; keeps how often each was asked."""

    def __init__(self):
        self.asked, self.lock = {}, threading.Lock()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def addresses(self, label, kind, turn):
        v4 = {"flip": [ALLOWED if turn == 1 else FORBIDDEN], "mixed": [ALLOWED, FORBIDDEN], "good": [ALLOWED],
              "inside": [FORBIDDEN], "metadata": ["169.254.169.254"]}.get(label, [])
        v6 = {"mapped": ["::ffff:" + FORBIDDEN], "nat64": ["64:ff9b::7f00:9"], "sixtofour": ["2002:7f00:9::1"],
              "local": ["::1"], "linklocal": ["fe80::1"]}.get(label, [])
        return [socket.inet_aton(a) for a in v4] if kind == 1 else [socket.inet_pton(socket.AF_INET6, a) for a in v6]

    def serve(self):
        while True:
            question, peer = self.socket.recvfrom(512)
            at, labels = 12, []
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode())
                at += 1 + question[at]
            kind = struct.unpack("!H", question[at + 1:at + 3])[0]
            name = ".".join(labels).lower()
            with self.lock:
                turn = self.asked[name, kind] = self.asked.get((name, kind), 0) + 1
            found = self.addresses(labels[0].split("-")[0], kind, turn)
            answer = question[:2] + struct.pack("!HHHHH", 0x8180, 1, len(found), 0, 0) + question[12:at + 5]
            for address in found:
                answer += struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(address)) + address
            self.socket.sendto(answer, peer)


class Listener:
    """Takes connections and hands each to `serve` on a thread."""

    def __init__(self, serve, address=ALLOWED, port=0):
        self.connections, self.events, self.lock, self.serve = 0, [], threading.Lock(), serve
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, port))
        self.socket.listen(1024)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.socket.accept()
            with self.lock:
                self.connections += 1
                number = self.connections
            threading.Thread(target=self.run, args=(peer, number), daemon=True).start()

    def run(self, peer, number):
        try:
            self.serve(self, peer, number)
        except (OSError, ValueError, h2.exceptions.H2Error):
            pass
        finally:
            peer.close()

    def note(self, event, how):
        with self.lock:
            self.events.append((event, how))


def http1(listener, peer, number, status=b"200 OK"):
    held = b""
    while True:
        while b"\r\n\r\n" not in held:
            got = peer.recv(65536)
            if not got:
                return
            held += got
        head, held = held.split(b"\r\n\r\n", 1)
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", 0))
        while len(held) < length:
            held += peer.recv(65536)
        held = held[length:]
        listener.note(fields.get(b"webhook-id", b"").decode(), ("1.1", fields[b"host"].decode()))
        peer.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")


def http2(goaway_after=None, behave="ok"):
    def serve(listener, peer, number):
        peer = tls.wrap_socket(peer, server_side=True)
        if peer.selected_alpn_protocol() != "h2":
            return http1(listener, peer, number)
        machine = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        machine.initiate_connection()
        peer.sendall(machine.data_to_send())
        served, ids = 0, {}
        while True:
            data = peer.recv(65536)
            if not data:
                return
            for event in machine.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    fields = {bytes(k).decode() if isinstance(k, bytes) else k:
                              bytes(v).decode() if isinstance(v, bytes) else v for k, v in event.headers}
                    ids[event.stream_id] = fields.get("webhook-id", "")
                elif isinstance(event, h2.events.DataReceived):
                    machine.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    served += 1
                    listener.note(ids[event.stream_id], ("2", number))
                    if behave == "reset once" and len(listener.events) % 2:
                        machine.reset_stream(event.stream_id, 7)  # REFUSED_STREAM
                        continue
                    endless = behave == "endless"
                    machine.send_headers(event.stream_id, [(":status", "200")], end_stream=not endless)
                    if endless:
                        window = min(machine.local_flow_control_window(event.stream_id), 200_000)
                        while window > 0:
                            size = min(window, machine.max_outbound_frame_size)
                            machine.send_data(event.stream_id, b"x" * size)
                            window -= size
                    if served == goaway_after:
                        machine.close_connection()
                        peer.sendall(machine.data_to_send())
                        return
            peer.sendall(machine.data_to_send())
    return serve


def wait(claim, is_met, limit=40):
    deadline = time.time() + limit
    while not is_met() and time.time() < deadline:
        time.sleep(0.05)
    score.check(claim, is_met())


folder = tempfile.mkdtemp(prefix="port77-reach-")
prepare_namespace(folder)
key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
               check=True, stderr=subprocess.DEVNULL)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(certificate, key)
tls.set_alpn_protocols(["h2", "http/1.1"])

name_server = NameServer()
proxy = Listener(lambda listener, peer, number: http1(listener, peer, number, b"503 No"))
for variable in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ[variable] = f"http://127.0.0.1:{proxy.port}"
config = os.path.join(folder, "port77.yaml")
with open(config, "w") as file:
    file.write(f"""
listen: 127.0.0.1:0
data: {folder}/data
hosts:
  - {{id: demo, protocol: priv-rje, address: "127.0.0.1:1", user: RMT1, password: {{env: PAYROLL_PASSWORD}}}}
webhooks: {{secret: {{env: HOOK_SECRET}}, ca: {certificate}, allow_networks: [{ALLOWED}/32]}}
log: {{level: error}}
""")
gateway = Server(folder, "gateway", lambda port: [PORT77, "serve", "--config", config], "port77 ready").start()
client = Client(gateway)


def endpoint(url, **more):
    status, document = client.json("POST", "/v1/webhooks", body=json.dumps({"url": url, "events": ["job.held"], **more}),
                                   headers={"Content-Type": "application/json"})
    if status != 201:
        raise SystemExit(f"{url}: {status} {document}")
    return document["id"]


def submit(count=1):
    for _ in range(count):
        client.call("POST", "/v1/jobs?hold=true", b"//PAY JOB (1)\n//S1 EXEC PGM=IEFBR14\n", {"Content-Type": "text/plain"})


def deliveries(name):
    return client.json("GET", f"/v1/webhooks/{name}/deliveries?limit=100")[1]["items"]


def attempts(name):
    return [attempt for delivery in deliveries(name) for attempt in delivery.get("attempts", [])]


# A name that changes its answer between the check and the connect.
good = Listener(http1)
trap = Listener(http1, FORBIDDEN, good.port)
flips = [endpoint(f"http://flip-{number}.example:{good.port}/hook") for number in range(names)]
submit()
wait(f"{names} names that turn inside after the check are called where the check looked",
     lambda: len({how[1] for _, how in good.events}) == names)
score.check("each name was asked for once", all(
    name_server.asked.get((f"flip-{number}.example", 1)) == 1 for number in range(names)), name_server.asked)
score.check("no connection came to the forbidden address", trap.connections == 0, trap.connections)
for name in flips:
    client.call("DELETE", f"/v1/webhooks/{name}")

# Names that lead inside from the beginning, an open port and a closed one.
labels = ["inside", "mixed", "mapped", "nat64", "sixtofour", "local", "linklocal", "metadata"]
closed = socket.socket()
closed.bind((FORBIDDEN, 0))
inside = {(label, port): endpoint(f"http://{label}.example:{port}/hook")
          for label in labels for port in (trap.port, closed.getsockname()[1])}
submit()
wait("names that lead inside are tried", lambda: all(attempts(name) for name in inside.values()))
seen = {tuple((a.get("result"), a.get("status"), a.get("detail"), a.get("address"), a.get("answer") or None)
              for a in attempts(name)[:1]) for name in inside.values()}
score.check("an open port inside looks like a closed one", len(seen) == 1 and next(iter(seen))[0][0] == "blocked_address", seen)
score.check("nothing inside was called", trap.connections == 0, trap.connections)
for name in inside.values():
    client.call("DELETE", f"/v1/webhooks/{name}")

# A redirect to the forbidden address is not followed.
redirecting = Listener(lambda listener, peer, number: http1(
    listener, peer, number, f"307 Elsewhere\r\nLocation: http://{FORBIDDEN}:{trap.port}/".encode()))
name = endpoint(f"http://127.0.0.1:{redirecting.port}/hook")
submit()
wait("a redirect is a failure", lambda: [a["result"] for a in attempts(name)[:1]] == ["redirect_refused"])
score.check("and is not followed", trap.connections == 0, trap.connections)
client.call("DELETE", f"/v1/webhooks/{name}")

# HTTP/2.
for claim, serve, count, alpn in (
        ("an HTTP/2 receiver", http2(), 200, ["h2", "http/1.1"]),
        ("an HTTP/2 receiver that says GOAWAY after 20 streams", http2(goaway_after=20), 100, ["h2", "http/1.1"]),
        ("an HTTP/2 receiver that refuses every other stream", http2(behave="reset once"), 20, ["h2", "http/1.1"]),
        ("an HTTP/2 receiver whose answers have no end", http2(behave="endless"), 5, ["h2", "http/1.1"]),
        ("a TLS receiver that speaks HTTP/1.1 only", http2(), 50, ["http/1.1"])):
    tls.set_alpn_protocols(alpn)
    receiver = Listener(serve)
    name = endpoint(f"https://127.0.0.1:{receiver.port}/hook", schedule=[0, 1, 1, 1, 1])
    submit(count)
    wait(f"{claim} gets all of {count}", lambda: len({event for event, _ in receiver.events}) == count)
    wait(f"{claim}: all are recorded as delivered", lambda: all(d["state"] == "delivered" for d in deliveries(name)))
    versions = {how[0] for _, how in receiver.events}
    score.check(f"{claim} is spoken to in its version", versions == {"2" if "h2" in alpn else "1.1"}, versions)
    if claim == "an HTTP/2 receiver":
        score.check("its connections are used again", receiver.connections <= 4, receiver.connections)
    client.call("DELETE", f"/v1/webhooks/{name}")

score.check("the proxies of the environment were never called", proxy.connections == 0, proxy.connections)
score.check("the gateway stops in order", gateway.stop() == 0)
score.close()
