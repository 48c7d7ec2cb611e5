"""The command line as people and scripts use it: the lines of docs/cli.md, a terminal, shells that read the completions.

    python3 Tests/Campaigns/cli.py --port77 .build/release/port77
"""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time

from ground import PORT77, Ground, Score

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
EXECUTABLE = os.path.abspath(PORT77)


def terminal(arguments, columns, environment):
    """What a command prints on a terminal of so many columns."""
    process, master = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execve(EXECUTABLE, [EXECUTABLE, *arguments], environment)
    text = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(master)
    os.waitpid(process, 0)
    return text.decode()


SHELLS = {"bash": (["bash", "--norc", "--noprofile", "-i"], "source {path}"),
          "zsh": (["zsh", "-f", "-i"], "fpath=({folder} $fpath); autoload -Uz compinit; compinit -D -u")}


def completed(shell, path, typed, wanted, folder, environment):
    """What a shell makes of a line and a tab, or of two."""
    if shell == "fish":
        return subprocess.run(["fish", "--no-config", "-c", f"source {path}; complete -C '{typed}'"], cwd=folder, env=environment,
                              capture_output=True, text=True, timeout=60).stdout
    command, begin = SHELLS[shell]
    process, master = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, dict(environment, TERM="dumb", PS1="$ "))
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
    seen = b""

    def until(word):
        nonlocal seen
        deadline = time.monotonic() + 30
        while word.encode() not in re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", seen) and time.monotonic() < deadline:
            if select.select([master], [], [], 0.2)[0]:
                try:
                    seen += os.read(master, 65536)
                except OSError:
                    return

    os.write(master, f"{begin.format(path=path, folder=os.path.dirname(path))}; echo is-re''ady\n".encode())
    until("is-ready")
    seen = b""
    os.write(master, f"{typed}\t\t".encode())
    until(wanted)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(master)
    return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", seen).decode(errors="replace")


def main():
    score, folder = Score("cli"), tempfile.mkdtemp(prefix="port77-cli-")
    ground = Ground(folder, host_data=False).start()
    environment = dict(os.environ, PORT77_URL=f"http://127.0.0.1:{ground.gateway.port}", TERM="xterm", HOME=folder,
                       PATH=os.path.dirname(EXECUTABLE) + ":" + os.environ["PATH"])
    environment.pop("NO_COLOR", None)

    def run(*arguments, **more):
        return subprocess.run([EXECUTABLE, *arguments], env=environment, capture_output=True, text=True, timeout=60, **more)

    # The page, line by line in one shell.
    page = open(os.path.join(ROOT, "docs/cli.md")).read()
    block = re.search(r"<!-- check: cli -->\n```sh\n(.*?)```", page, re.S).group(1)
    block = block.replace("examples/", ROOT + "/examples/")
    lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
    wanted = {"watch $job\n": "completed", "--json | tail": '"type":"job.completed"', "list --state": "PAYROLL",
              "list --all": '"items"', "status": "CC 0000", "output $job\n": "AMDAHL", "output $job --json": '"items"',
              "validate": "PAYROLL: ", "port77 batch": "completed", "group-by": "completed  ok", "events": "job.completed",
              "grep": "AMDAHL", "port77 deck": "//PAYROLL", "amend": "checked=yes try=2", "attempts": "ended",
              "verify": "genuine", "hosts\n": "demo  priv-rje", "hosts show": "abilities", "port77 me": "jobs:submit", "ready": "ok"}
    script = "".join(f"{line}\ncode=$?; echo; echo @@$code\n" for line in lines)
    result = subprocess.run(["bash", "-c", "exec 2>&1\n" + script], env=environment, cwd=folder, capture_output=True,
                            text=True, timeout=120)
    answers = re.split(r"\n@@(\d+)\n", result.stdout)
    score.check("every line of docs/cli.md was run", len(answers) == 2 * len(lines) + 1, result.stdout[-500:])
    for line, answer, code in zip(lines, answers[::2], answers[1::2]):
        want = next((word for mark, word in wanted.items() if mark in line + "\n"), "")
        score.check(line[:100], want in answer and code == "0", (code, answer))
    for name in ("print-out.txt", "sysprint.bin", "jobs.csv", "payroll.receipt", "port77.bash", "port77.1"):
        score.check(f"{name} has been written", os.path.getsize(os.path.join(folder, name)) > 100, name)

    # Return codes.
    for program, code in (("IEFBR14", 0), ("RC,PARM=8", 8), ("ABEND,PARM=S0C7", 252)):
        result = run("submit", "-", "--wait", input=f"//CODE JOB (1),TEST\n//S1 EXEC PGM={program}\n")
        score.check(f"submit --wait of {program} ends with {code}", result.returncode == code, (result.returncode, result.stderr))

    # Several decks: the worst of them gives the code, and all of them are printed; one with a fault keeps out all.
    decks = []
    for name, program in (("ONE", "LINES,PARM=2"), ("TWO", "RC,PARM=4"), ("THREE", "RC,PARM=0")):
        decks.append(os.path.join(folder, f"{name}.jcl"))
        open(decks[-1], "w").write(f"//{name} JOB (1),TEST\n//S1 EXEC PGM={program}\n//SYSPRINT DD SYSOUT=*\n")
    result = run("submit", *decks, "--wait")
    score.check("three decks are a batch that ends with the highest code", result.returncode == 4 and "LINE 0000002" in result.stdout
                and result.stderr.count(" completed ") == 3, (result.returncode, result.stderr, result.stdout[:300]))
    whole = os.path.join(folder, "whole.jcl")
    open(whole, "w").write("".join(open(deck).read() for deck in decks))
    batch = run("submit", whole, "--split").stdout.strip()
    result = run("batch", batch, "--wait")
    score.check("--split makes one of each job card", result.returncode == 4 and [line.split()[1] for line in result.stdout.splitlines()]
                == ["NAME", "ONE", "TWO", "THREE"], (result.returncode, result.stdout, result.stderr))
    open(decks[1], "a").write("\tX\n")
    count = len(run("list", "--all").stdout.splitlines())
    result = run("submit", *decks)
    score.check("a fault is told with its file, and nothing is stored", result.returncode == 251 and f"{decks[1]}, line 4" in result.stderr
                and len(run("list", "--all").stdout.splitlines()) == count, result.stderr)
    result = run("validate", *decks)
    score.check("and so it is by validate", result.returncode == 1 and f"{decks[1]}:4:1: error:" in result.stdout, result.stdout + result.stderr)

    # A terminal: a table no wider than it is, with color; without where the environment says so.
    wide = terminal(["list"], 200, environment)
    narrow = terminal(["list"], 60, dict(environment, NO_COLOR="1"))
    score.check("a wide terminal shows states in color", "\x1b[32mcompleted\x1b[0m" in wide, wide[:400])
    score.check("a narrow one is not overrun, and NO_COLOR holds",
                "\x1b" not in narrow and max(len(line.rstrip("\r")) for line in narrow.split("\n")) <= 66, narrow[:400])
    piped = run("list").stdout
    score.check("through a pipe it is a plain table", "\x1b" not in piped and "…" not in piped and piped.startswith("ID "), piped[:200])
    # A watch outlives a restart of the gateway.
    held = run("submit", "-", "--hold", input="//WATCH JOB (1),TEST\n//S1 EXEC PGM=RC,PARM=3\n").stdout.strip()
    watch = subprocess.Popen([EXECUTABLE, "watch", held], env=environment, stdout=subprocess.PIPE, text=True)
    heard = []
    reader = threading.Thread(target=lambda: heard.extend(watch.stdout), daemon=True)
    reader.start()
    deadline = time.monotonic() + 30
    while not any("held" in line for line in heard) and time.monotonic() < deadline:
        time.sleep(0.02)
    ground.gateway.kill()
    ground.gateway.start()
    released = run("release", held)
    try:
        code = watch.wait(60)
    except subprocess.TimeoutExpired:
        watch.send_signal(signal.SIGKILL)
        code = "none in 60 s"
    reader.join(10)
    score.check("a watch goes on over a kill of the gateway, and ends with the job's code",
                code == 3 and released.returncode == 0, (code, heard, released.stderr))
    states = [line.split()[1] for line in heard if len(line.split()) > 1]
    score.check("it has told each state once", states[:1] == ["held"] and states[-1:] == ["completed"]
                and len(states) == len(set(states)), states)

    # Each operation of the API has its command, or a reason not to have one.
    table = dict(re.findall(r"^\| (`.*`) \| (.*) \|$", page[page.index("## Each operation"):], re.M))
    said = {name for names in table for name in re.findall(r"`(\w+)`", names)}
    paths = re.search(r"^paths:\n(.*?)^\w", open(os.path.join(ROOT, "openapi/port77.yaml")).read(), re.M | re.S)[1]
    described = set(re.findall(r"^ +operationId: (\w+)$", paths, re.M))
    score.check(f"docs/cli.md has each of {len(described)} operations", said == described and len(described) > 60, sorted(said ^ described))
    named = {words for command in table.values() for words in re.findall(r"`port77 ([a-z ]+)`", command)}
    unknown = [words for words in named if f"USAGE: port77 {words} " not in run(*words.split(), "--help").stdout.replace("\n", " \n")]
    score.check(f"and {len(named)} commands, which there are", not unknown and len(named) > 40, unknown)

    # What goes wrong at the beginning is said with its place and its cause.
    taken = f"127.0.0.1:{ground.gateway.port}"
    for words, arguments, code in (
            (f"{taken} is in use", ["serve", "--listen", taken, "--data", os.path.join(folder, "other")], 1),
            ("cannot be made: ", ["serve", "--listen", "127.0.0.1:0", "--data", decks[0]], 1),
            ("nowhere.yaml cannot be read: No such file", ["serve", "--config", "nowhere.yaml"], 1),
            ("nowhere.jcl cannot be read: No such file", ["submit", "nowhere.jcl"], 64), ("cannot be read: it is a folder", ["submit", folder], 64),
            ("its output comes when it has ended", ["output", run("submit", decks[0], "--hold").stdout.strip()], 251)):
        result = run(*arguments)
        score.check(f"told: {words[-40:]}", result.returncode == code and words in result.stderr and "NSCocoa" not in result.stderr
                    and "answered" not in result.stderr, (result.returncode, result.stderr))

    # Shells and man read what is made for them: on machines that have them.
    shutil.copy(decks[0], os.path.join(folder, "lonely-deck.jcl"))
    for shell in ("bash", "zsh", "fish"):
        os.makedirs(os.path.join(folder, shell), exist_ok=True)
        path = os.path.join(folder, shell, "_port77")
        open(path, "w").write(run("completions", shell).stdout)
        if shutil.which(shell):
            for typed, wanted in (("port77 resub", "resubmit"), ("port77 hosts re", "resume"), ("port77 submit --idem", "--idempotency-key"),
                                  ("port77 submit lonely-d", "lonely-deck.jcl")):
                offered = completed(shell, path, typed, wanted, folder, environment)
                score.check(f"{shell} completes {typed}", wanted in offered, offered[-300:])
    if shutil.which("groff"):
        result = subprocess.run(["groff", "-man", "-Tutf8", "-ww", os.path.join(folder, "port77.1")], capture_output=True, text=True)
        score.check("groff sets the manual page without a warning", result.returncode == 0 and not result.stderr, result.stderr[:500])
        plain = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", result.stdout).replace("‐", "-").replace("−", "-")
        score.check("it is readable", "EXIT STATUS" in plain and "--idempotency-key" in plain, plain[:300])

    # Every command of a client says --json, and that is JSON.
    for command in (["list"], ["hosts"], ["webhooks", "list"], ["webhooks", "keys"], ["unclaimed"], ["audit"], ["status", held],
                    ["output", held], ["batch", batch], ["events"], ["attempts", held], ["hosts", "show", "demo"], ["me"], ["usage"],
                    ["storage"], ["list", "--group-by", "state"], ["webhooks", "deliveries", "--job", held]):
        result = run(*command, "--json")
        try:
            document = [json.loads(line) for line in result.stdout.splitlines() if line]
        except ValueError:
            document = None
        score.check(f"{' '.join(command[:2])[:20]} --json", result.returncode == 0 and document, result.stdout[:200] + result.stderr)
    score.check("gateway and host end on SIGTERM", ground.stop() == (0, 0), folder)
    if not score.failed:
        shutil.rmtree(folder, ignore_errors=True)
    score.close()


main()
