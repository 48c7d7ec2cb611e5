"""RFC 407, or NETRJS, with large files: a deck of 10 MiB in, a print-out of 200 MiB out, and what both ends keep in memory.

    make release && python3 Tests/Campaigns/rfc407.py --port77 .build/release/port77 --lines 2500000 [--protocol netrjs]
"""
import hashlib
import os
import subprocess
import tempfile
import threading
import time

import ground

LINES = ground.argument("lines", 100_000)
PROTOCOL = ground.argument("protocol", "rfc407", str)
DECK_MIB = ground.argument("deck", 10)


class Host(ground.Server):
    """The ready line of the other protocol follows that of PRIV-RJE."""

    def start(self, *more, timeout=60):
        super().start(*more, timeout=timeout)
        self.other = int(self.process.stdout.readline().decode().strip().rsplit(":", 1)[1])
        return self


def main():
    folder = tempfile.mkdtemp(prefix=f"port77-{PROTOCOL}-")
    host = Host(
        folder, "host",
        lambda port: [ground.PORT77, "host", "--listen", "127.0.0.1:0", f"--{PROTOCOL}", "127.0.0.1:0", "--user", "RMT1:secret"],
        "port77 host ready").start()
    configuration = os.path.join(folder, "port77.yaml")
    with open(configuration, "w") as file:
        file.write(
            f"listen: 127.0.0.1:0\ndata: {folder}/data\nhosts:\n  - id: old\n    protocol: {PROTOCOL}\n"
            f"    address: 127.0.0.1:{host.other}\n    {'terminal' if PROTOCOL == 'netrjs' else 'user'}: RMT1\n    password: {{env: PAYROLL_PASSWORD}}\n")
    gateway = ground.Server(
        folder, "gateway", lambda port: [ground.PORT77, "serve", "--config", configuration], "ready").start()
    base = f"http://127.0.0.1:{gateway.port}"
    most = {"host": 0.0, "gateway": 0.0}
    over = threading.Event()

    def watch():
        while not over.wait(0.05):
            for name, server in (("host", host), ("gateway", gateway)):
                most[name] = max(most[name], server.resident())

    def run(name, deck, wait):
        path = os.path.join(folder, name)
        with open(path + ".jcl", "w") as file:
            file.write(deck)
        most.update(host=host.resident(), gateway=gateway.resident())
        before = dict(most)
        start = time.time()
        subprocess.run(
            ["curl", "-sS", "--fail-with-body", "-T", path + ".jcl", "-H", f"Prefer: wait={wait}", "-H", "Accept: text/plain",
             "-o", path + ".out", f"{base}/v1/jobs?host=old"], check=True)
        seconds = time.time() - start
        size = os.path.getsize(path + ".out")
        print(f"{name}: {seconds:.1f} s, {size / 2**20:.1f} MiB of print-out as text; resident at most "
              + ", ".join(f"{key} {most[key]:.0f} MiB (before {before[key]:.0f})" for key in most), flush=True)
        return path + ".out"

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    failed = 0
    try:
        cards = DECK_MIB * 2**20 // 72
        body = "".join(f"{number:071d}\n" for number in range(cards))
        out = run("deck", f"//DECK JOB 1\n//S EXEC PGM=IEFBR14\n//SYSIN DD *\n{body}", 600)
        failed += os.path.getsize(out) == 0
        out = run("print", f"//PRINT JOB 1\n//S EXEC PGM=LINES,PARM='{LINES}'\n//SYSPRINT DD SYSOUT=A\n", 600)
        with open(out, "rb") as file:
            count = sum(1 for _ in file)
        failed += count < LINES
        print(f"print: {count} lines, sha256 {hashlib.sha256(open(out, 'rb').read()).hexdigest()[:16]}")
    finally:
        over.set()
        watcher.join()
        gateway.stop()
        host.stop()
    print(f"{PROTOCOL}: {2 - failed} passed, {failed} failed")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
