"""Programs that others wrote against RFC 407 here: a stock TELNET client holds the control dialogue by hand, and a stock FTP
server (pyftpdlib) with curl beside it moves decks and print-out.

    scripts/peers [--port77 PATH] [--transcript FILE]

With --transcript the dialogue is written down as it stands in docs/rfc407.md.
"""
import logging
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

from ground import Client, Score, argument
from protocols import FINAL, ThreeProtocols

DECK = "//HELLO JOB (A1),SMITH\n//S1 EXEC PGM=ECHO,PARM='HELLO, WORLD'\n//SYSPRINT DD SYSOUT=*\n//S2 EXEC PGM=CARDS,PARM=2\n//SYSPUNCH DD SYSOUT=B\n"


class DataPort:
    """A port on which the host is awaited once; `given` is what it reads there, `taken` what it writes."""

    def __init__(self, given=None):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(30)
        self.port = self.socket.getsockname()[1]
        self.given, self.taken, self.thread = given, b"", threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.socket.accept()
        with connection:
            connection.settimeout(30)
            if self.given is not None:
                connection.sendall(self.given)
            else:
                while piece := connection.recv(65536):
                    self.taken += piece

    def wait(self):
        self.thread.join(30)
        return self.taken


class Telnet:
    """The stock client on a terminal, as a person uses it."""

    def __init__(self, port):
        self.shown, self.seen = "", 0
        leader, follower = pty.openpty()
        self.process = subprocess.Popen(["telnet", "127.0.0.1", str(port)], stdin=follower, stdout=follower,
                                        stderr=follower, close_fds=True, start_new_session=True)
        os.close(follower)
        self.terminal = leader

    def read(self, pattern, seconds=30):
        """Reads until a line that was not seen before matches."""
        deadline = time.monotonic() + seconds
        start = len(self.shown)
        while time.monotonic() < deadline:
            found = re.search(pattern, self.shown[self.seen:])
            if found:
                self.seen += found.end()
                return found
            if select.select([self.terminal], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self.terminal, 65536).decode("latin-1")
                except OSError:
                    break
        found = re.search(pattern, self.shown[self.seen:])
        if found:
            self.seen += found.end()
            return found
        raise AssertionError(f"{pattern!r} did not come; since {start}: {self.shown[start:]!r}")

    def type(self, line, pattern):
        os.write(self.terminal, line.encode() + b"\r")
        return self.read(pattern)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.terminal)


def by_telnet(score, port, transcript):
    reader, printer, punch = DataPort(DECK.replace("\n", "\r\n").encode()), DataPort(), DataPort()
    telnet = Telnet(port)
    try:
        telnet.read(r"300 [^\r]*\r")
        telnet.type("USER=RMT2", r"330 [^\r]*\r")
        telnet.type("PASS=secret", r"230 [^\r]*\r")
        telnet.type(f"OUT=D{printer.port}:T", r"200 [^\r]*\r")
        telnet.type("out punch = (H)", r"200 [^\r]*\r")
        telnet.type(f"INPUT=D{reader.port}:T", r"240 [^\r]*\r")
        job = telnet.read(r"260 Job (J\d+)").group(1)
        telnet.read(rf"261 Job {job} [^\r]*\r")
        telnet.read(rf"060 Job {job} file [^\r]* delivered")
        print_out = printer.wait()
        score.check("telnet: the print-out came to the port that was named", b"HELLO, WORLD" in print_out, print_out[:200])
        telnet.type(f"STATUS {job} punch", r"1[56][01] [^\r]*\r")
        telnet.type(f"CHANGE {job} punch = D{punch.port}:T", r"200 [^\r]*\r")
        telnet.read(rf"060 Job {job} file punch delivered")
        score.check("telnet: a held file came when it was asked for", punch.wait().count(b"\r\n") == 2, punch.taken[:200])
        telnet.type("FROB", r"500 [^\r]*\r")
        telnet.type("BYE", r"231 [^\r]*\r")
        telnet.read("closed by foreign host")
        score.check("telnet: a stock client holds the whole dialogue", True)
    except AssertionError as fault:
        score.check("telnet: a stock client holds the whole dialogue", False, fault)
    finally:
        telnet.close()
    if transcript:
        with open(transcript, "w") as file:
            file.write(telnet.shown.replace("\r", ""))


class FTPServer:
    """pyftpdlib on a port of its own, one user, one folder."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        authorizer = DummyAuthorizer()
        authorizer.add_user("bobftp", "ftppw", folder, perm="elradfmw")
        handler = type("Handler", (FTPHandler,), {"authorizer": authorizer, "banner": "pyftpdlib"})
        self.server = ThreadedFTPServer(("127.0.0.1", 0), handler)
        self.port, self.folder = self.server.address[1], folder
        threading.Thread(target=self.server.serve_forever, kwargs={"handle_exit": False}, daemon=True).start()

    def close(self):
        self.server.close_all()


def curl(*arguments):
    return subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", "30", "-u", "bobftp:ftppw", *arguments],
                          capture_output=True)


def by_curl(score, port, ftp):
    """A person with a TELNET client and curl, and an FTP server between them and the host."""
    deck = os.path.join(ftp.folder, "..", "run1.jcl")
    with open(deck, "w") as file:
        file.write(DECK)
    sent = curl("-B", "-T", deck, f"ftp://127.0.0.1:{ftp.port}/run1.jcl")
    score.check("ftp: curl lays the deck down", sent.returncode == 0, sent.stderr)
    with socket.create_connection(("127.0.0.1", port), 30) as line:
        line.settimeout(30)
        reader = line.makefile("rb")

        def hear(code):
            while True:
                said = reader.readline().decode("latin-1")
                if not said:
                    raise AssertionError(f"{code} did not come")
                said = re.sub("\xff..", "", said)
                if said.startswith(code):
                    return said
                if said[:1] in "45":
                    raise AssertionError(said)

        def say(text, code):
            line.sendall(text.encode() + b"\r\n")
            return hear(code)

        try:
            hear("300")
            say("USER=RMT2", "330")
            say("PASS=secret", "230")
            say("INID=bobftp", "200")
            say("INPASS=ftppw", "200")
            say("OUTUSER=bobftp", "200")
            say("OUTPASS=ftppw", "200")
            say("OUT=(S)H7F000001:T/run1.lst", "200")
            say("INPATH=H7F000001:T/run1.jcl", "200")
            say("INPUT", "240")
            job = re.search(r"Job (J\d+)", hear("260")).group(1)
            hear("261")
            hear(f"060 Job {job} file")
            taken = curl("-B", f"ftp://127.0.0.1:{ftp.port}/run1.lst")
            score.check("ftp: curl takes the print-out that the host appended",
                        taken.returncode == 0 and b"HELLO, WORLD" in taken.stdout, (taken.stderr, taken.stdout[:200]))
            say(f"ABORT {job}", "203")
            line.sendall(b"INPUT=H7F000001:T/nofile\r\n")
            refused = reader.readline()
            score.check("ftp: a file that is not there is 441", refused.startswith(b"441"), refused)
            line.sendall(b"INPUT=H7F000001/run1.jcl\r\n")
            refused = reader.readline()
            score.check("ftp: records in blocks, which the server lacks, are 441 and not changed in silence",
                        refused.startswith(b"441"), refused)
            say("BYE", "231")
        except AssertionError as fault:
            score.check("ftp: the dialogue of section 11", False, fault)


def by_gateway(score, three, ftp, jobs=20):
    """Jobs of the gateway through the same FTP server."""
    client = Client(three.gateway)
    promised = []
    for number in range(jobs):
        lines = "".join(f"LINE {i} OF {number}\n" for i in range(1 + 40 * number))
        deck = (f"//FTP{number:04d} JOB (1),SMITH\n//S1 EXEC PGM=IEBGENER\n//SYSPRINT DD SYSOUT=*\n"
                f"//SYSUT2 DD SYSOUT=*\n//SYSIN DD DUMMY\n//SYSUT1 DD *\n{lines}/*\n")
        answer = client.json("POST", "/v1/jobs?host=rje", body=deck.encode(), headers={"Content-Type": "text/plain"})
        promised.append((answer[1].get("id"), lines) if answer else (None, lines))
    right, states = 0, []
    for job, lines in promised:
        deadline = time.monotonic() + 120
        answer = None
        while time.monotonic() < deadline:
            answer = client.json("GET", f"/v1/jobs/{job}", headers={"Prefer": "wait=20"})
            if answer and answer[1].get("state") in FINAL:
                break
        states.append(answer and (answer[1].get("state"), answer[1].get("reason")))
        taken = client.call("GET", f"/v1/jobs/{job}/output", headers={"Accept": "text/plain"})
        right += taken is not None and taken[0] == 200 and lines.encode() in taken[2].replace(b"\x0c", b"")
    score.check(f"ftp: {jobs} jobs of the gateway came back whole through a stock FTP server", right == jobs,
                (right, states[:4]))
    deadline = time.monotonic() + 30
    mine = lambda: [name for name in os.listdir(ftp.folder) if name.startswith("p77-")]
    while mine() and time.monotonic() < deadline:
        time.sleep(0.1)
    score.check("ftp: nothing of the gateway stays on the FTP server", mine() == [], mine()[:5])


def main():
    logging.basicConfig(level=logging.ERROR)
    score = Score("peers")
    folder = tempfile.mkdtemp(prefix="port77-peers-")
    ftp = FTPServer(os.path.join(folder, "ftp"))
    os.environ["FTP_PASSWORD"] = "ftppw"
    more = f"    ftp: {{address: 127.0.0.1:{ftp.port}, user: bobftp, password: {{env: FTP_PASSWORD}}}}\n    punch_file: false"
    three = ThreeProtocols(folder, more_host=["--rfc407-ftp-port", str(ftp.port)], more={"rje": more}).start()
    port = int(three.door["rfc407"].rsplit(":", 1)[1])
    if shutil.which("telnet"):
        by_telnet(score, port, argument("transcript", "", str))
    else:
        print("no telnet client here (apt-get install telnet): its part is left out", flush=True)
    by_curl(score, port, ftp)
    by_gateway(score, three, ftp)
    codes = three.stop()
    ftp.close()
    score.check("both end well", codes == (0, 0), (codes, folder))
    score.close()


if __name__ == "__main__":
    main()
