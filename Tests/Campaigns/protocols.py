"""The same jobs over PRIV-RJE, RFC 407 and NETRJS to one reference host at once: print and punch equal to the octet.

    python3 Tests/Campaigns/protocols.py --port77 .build/release/port77 --jobs 2000

Three ledgers: what the client was promised, what the host ran, what the gateway shows. Each of the three jobs of a deck is a
job of its own at the host, so what tells them apart there (clock, job number, user) is made the same before the comparison,
in the messages of the system only; what a program wrote and what was punched is compared as it is.
"""
import collections
import hashlib
import json
import re
import socket
import subprocess
import tempfile
import threading
import time

from ground import PORT77, Client, Ground, Score, argument, deck, seeded

HOSTS = ["priv", "rje", "net"]
USERS = {"priv": "RMT1", "rje": "RMT2", "net": "RMT3"}
FINAL = ("completed", "failed", "rejected", "canceled", "expired")
LOG = re.compile(rb"""J E S 2  J O B  L O G|^.?\ ?\d\d[.:]\d\d[.:]\d\d\ |JOB\ STATISTICS|JOB\ EXECUTION\ DATE|EXECUTION\ TIME|
                      ^.?\ ?IEF|^.{0,12}//|^\ *\d+\ (CARDS\ READ|SYSOUT)""", re.X)


class ThreeProtocols(Ground):
    """The reference host on three doors, and a gateway that knows each as a host of its own."""

    def __init__(self, folder, more_host=(), more=None):
        users = ["--user", "RMT2:secret", "--user", "RMT3:secret", "--user", "RMT4:secret", "--rfc407", "127.0.0.1:0", "--netrjs", "127.0.0.1:0",
                 "--initiators", "8", *more_host]
        super().__init__(folder, host_data=False, host_arguments=users)
        self.more, self.door = more or {}, {}

    def doors(self):
        """Where the host serves the other protocols: it says so after its ready line."""
        doors = {}
        while set(doors) != {"rfc407", "netrjs"}:
            words = self.host.process.stdout.readline().decode().split()
            if len(words) != 4 or words[:2] != ["port77", "host"]:
                raise SystemExit(f"no door in {words}")
            doors[words[2]] = words[3]
        return doors

    def write_config(self):
        doors = self.door = self.doors()
        with open(self.config, "w") as file:
            file.write(f"""
listen: 127.0.0.1:0
data: {self.folder}/gateway
hosts:
  - id: priv
    protocol: priv-rje
    address: 127.0.0.1:{self.host.port}
    user: RMT1
    password: {{env: PAYROLL_PASSWORD}}
  - id: rje
    protocol: rfc407
    address: {doors['rfc407']}
    user: RMT2
    password: {{env: PAYROLL_PASSWORD}}
{self.more.get('rje', '')}
  - id: net
    protocol: netrjs
    address: {doors['netrjs']}
    terminal: RMT3
    password: {{env: PAYROLL_PASSWORD}}
{self.more.get('net', '')}
webhooks: {{secret: {{env: HOOK_SECRET}}, allow_networks: [127.0.0.0/8]}}
log: {{level: notice}}
""")


def normal(print_out):
    """Clock, dates, job numbers and users made the same, in lines of the system only."""
    lines = []
    for line in print_out.split(b"\n"):
        if LOG.search(line):
            line = re.sub(rb"\d\d[.:]\d\d[.:]\d\d", b"hh.mm.ss", line)
            line = re.sub(rb"\b[JD]\d{5,8}\b|\bJOB\d{5}\b", b"JOBNUMBER", line)
            line = re.sub(rb"\bRMT[123]\b", b"RMTn", line)
            line = re.sub(rb"\d{7}\.\d{4}|\d{5}\.\d{4}|\d+\.\d\d MINUTES", b"TIME", line)
            line = re.sub(rb"INIT \d+ +", b"INIT n ", line)
            line = re.sub(rb" +$", b"", re.sub(rb" +TIME| +MINUTES", b" TIME", line))
        lines.append(line)
    return b"\n".join(lines)


def outputs(client, job):
    """(all print records, all punched octets) as the gateway gives them raw."""
    parts = {"print": b"", "punch": b""}
    for file in job["outputs"]:
        answer = client.call("GET", f"/v1/jobs/{job['id']}/outputs/{file['number']}",
                             headers={"Accept": "application/octet-stream"})
        if answer is None or answer[0] != 200 or hashlib.sha256(answer[2]).hexdigest() != file["sha256"]:
            return None
        parts[file["kind"]] += answer[2]
    return parts["print"], parts["punch"]


def submit_all(three, decks, lanes):
    """{host: {number: job id}}, and what was refused."""
    jobs, refused, lock = {host: {} for host in HOSTS}, [], threading.Lock()
    work = iter([(number, host) for number in range(len(decks)) for host in HOSTS])

    def lane():
        client = Client(three.gateway)
        while True:
            with lock:
                number, host = next(work, (None, None))
            if host is None:
                return
            answer = client.call("POST", f"/v1/jobs?host={host}&correlator={host}{number}", decks[number].encode(),
                                 {"Content-Type": "text/plain"})
            with lock:
                if answer and answer[0] == 201:
                    jobs[host][number] = json.loads(answer[2])["id"]
                else:
                    refused.append((host, number, answer))
    run(lane, lanes)
    return jobs, refused


def run(lane, lanes):
    threads = [threading.Thread(target=lane) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def finish_all(three, jobs, seconds):
    """{(host, number): (document, print, punch)} of every job that ended in time."""
    done, lock, deadline = {}, threading.Lock(), time.monotonic() + seconds
    work = iter([(host, number, job) for host in HOSTS for number, job in jobs[host].items()])

    def lane():
        client = Client(three.gateway)
        while True:
            with lock:
                host, number, job = next(work, (None, None, None))
            if host is None:
                return
            while time.monotonic() < deadline:
                answer = client.json("GET", f"/v1/jobs/{job}", headers={"Prefer": "wait=20"})
                if answer and answer[1].get("state") in FINAL:
                    taken = outputs(client, answer[1])
                    with lock:
                        done[host, number] = (answer[1], *(taken or (None, None)))
                    break
    run(lane, 6)
    return done


def by_a_stranger(three, name):
    """Another terminal of the host leaves a job whose output goes to the gateway's printer. Answers what it heard when that fails."""
    heard = []
    with socket.create_connection(("127.0.0.1", int(three.door["netrjs"].rsplit(":", 1)[1])), 30) as console:
        console.settimeout(30)
        said = console.makefile("rb")

        def hear(mark):
            while True:
                line = said.readline().decode("latin-1")
                heard.append(line)
                if not line:
                    raise OSError(f"{mark} did not come")
                if mark in line:
                    return line

        try:
            base = int(hear("SOCKET BASE").split()[-1])
            hear("NRJ876")
            console.sendall(b"SIGNON RMT4,secret\r\n")
            hear("RJS750")
            console.sendall(b"SET DEST=RMT3\r\n")
            cards = [f"//{name} JOB (1),STRANGER", "//S1 EXEC PGM=LINES,PARM=3"]
            records = b"".join(bytes([0xC3, len(card)]) + card.encode() for card in cards)
            with socket.create_connection(("127.0.0.1", base + 2), 30) as reader:
                reader.sendall(b"\xff\x00\x00\x00" + (8 * len(records)).to_bytes(4, "big") + b"\x00" + records + b"\xfe")
                reader.shutdown(socket.SHUT_WR)
                hear("RJS534")
            console.sendall(b"SIGNOFF\r\n")
            hear("NRJ205")
        except OSError as fault:
            return fault, heard
    return None


def unclaimed(three, score, owner):
    """What came of the stranger's job: kept, shown, claimed by the command line, and then on the list no more."""
    client, deadline, items = Client(three.gateway), time.monotonic() + 60, []
    while not items and time.monotonic() < deadline:
        items = client.json("GET", "/v1/unclaimed?host=net")[1]["items"]
        time.sleep(0 if items else 0.1)
    score.check("a stranger's output is kept as unclaimed, and nothing else is",
                [item.get("name") for item in items] == ["STRANGER"], items)
    if not items:
        return
    number = str(items[0]["number"])
    gateway = ["--gateway", f"http://127.0.0.1:{three.gateway.port}"]
    shown = subprocess.run([PORT77, "unclaimed", "show", number, *gateway], capture_output=True, text=True)
    score.check("port77 unclaimed show prints it", "STRANGER" in shown.stdout and "LINE" in shown.stdout.upper(), shown)
    before = client.json("GET", f"/v1/jobs/{owner}")[1]["outputs"]
    claimed = subprocess.run([PORT77, "unclaimed", "claim", number, owner, *gateway], capture_output=True, text=True)
    after = client.json("GET", f"/v1/jobs/{owner}")[1]["outputs"]
    score.check("port77 unclaimed claim makes it an output of a job",
                claimed.returncode == 0 and len(after) == len(before) + 1 and after[-1]["sha256"] == items[0]["sha256"],
                (claimed, after))
    score.check("then nothing is unclaimed", client.json("GET", "/v1/unclaimed")[1]["items"] == [])


def difference(one, other):
    for number, (a, b) in enumerate(zip(one.split(b"\n"), other.split(b"\n"))):
        if a != b:
            return f"line {number}: {a!r} / {b!r}"
    return f"{one.count(chr(10).encode())} / {other.count(chr(10).encode())} lines"


def main():
    count = argument("jobs", 2000)
    randomness = seeded()
    decks = [deck(number, randomness) for number in range(count)]
    score = Score("protocols")
    folder = tempfile.mkdtemp(prefix="port77-protocols-")
    three = ThreeProtocols(folder).start()
    began = time.monotonic()
    jobs, refused = submit_all(three, decks, 6)
    score.check(f"3 x {count} decks were taken", all(len(jobs[host]) == count for host in HOSTS), refused[:3])
    done = finish_all(three, jobs, argument("seconds", 1800))
    took = time.monotonic() - began
    ends = collections.defaultdict(list)
    for host in HOSTS:
        states = collections.Counter(done.get((host, n), ({},))[0].get("state", "not ended") for n in jobs[host])
        score.check(f"every job of {host} is completed", dict(states) == {"completed": count}, dict(states))
        for n in jobs[host]:
            document = done.get((host, n), ({},))[0]
            if document.get("ended_at"):
                ends[host].append(document["ended_at"])

    unequal = {"print": [], "punch": [], "code": []}
    for number in range(count):
        want = done.get(("priv", number))
        if want is None or want[1] is None:
            continue
        for host in ("rje", "net"):
            got = done.get((host, number))
            if got is None or got[1] is None:
                unequal["print"].append((host, number, "missing"))
                continue
            if normal(want[1]) != normal(got[1]):
                unequal["print"].append((host, number, difference(normal(want[1]), normal(got[1]))))
            if want[2] != got[2]:
                unequal["punch"].append((host, number, len(want[2]), len(got[2])))
            if want[0].get("outcome", {}).get("return_code") != got[0].get("outcome", {}).get("return_code"):
                unequal["code"].append((host, number, want[0].get("outcome"), got[0].get("outcome")))
    punched = sum(1 for (host, _), (_, _, punch) in done.items() if host == "priv" and punch)
    score.check("print is equal to the octet over all three", not unequal["print"],
                (len(unequal["print"]), unequal["print"][:3]))
    score.check(f"punch is equal to the octet over all three ({punched} decks punch)",
                punched > 0 and not unequal["punch"], (len(unequal["punch"]), unequal["punch"][:3]))
    score.check("return codes are equal over all three", not unequal["code"], (len(unequal["code"]), unequal["code"][:3]))

    ran = collections.Counter(event.get("name") for event in three.ledger() if event.get("event") == "ended")
    names = collections.Counter({f"J{number % 10_000_000:07d}": 3 for number in range(count)})
    score.check("the host ran every deck three times, and nothing else", ran == names,
                list(((names - ran) + (ran - names)).items())[:5])
    left = Client(three.gateway).json("GET", "/v1/unclaimed")
    score.check("no output is unclaimed", left is not None and left[1]["items"] == [], left)
    refusal = by_a_stranger(three, "STRANGER")
    score.check("a stranger left a job at the terminal", refusal is None, refusal)
    unclaimed(three, score, jobs["net"].get(0))
    codes = three.stop()
    score.check("both end well", codes == (0, 0), (codes, folder))
    print(f"{3 * count} jobs in {took:.1f} s; the last ended {', '.join(f'{h} {max(ends[h])[11:23]}' for h in HOSTS if ends[h])}",
          flush=True)
    score.close()


if __name__ == "__main__":
    main()
