"""Random parts of outputs, finished and growing, compared with a model of them: octets, lines, records, searches, in text and raw.

    python3 Tests/Campaigns/ranges.py --cases 100000 --seed 7

The model begins from the raw octets that the gateway gives whole, whose hash its document tells, and knows the rules of carriage control
by itself. What came of a growing output is compared when the whole is known: each answer says in its tag how far it had come.
"""
import base64
import email
import email.policy
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
import zipfile
import zlib

from ground import Client, Ground, Score, argument, seeded

RAW = {"Accept": "application/octet-stream"}


def deck(name, step):
    return f"//{name} JOB (1),'RANGES',CLASS=A\n{step}".encode()


def printed(raw, is_whole=True):
    """The text of ASA records: lines printed over others are merged, a page begins with a form feed."""
    records = raw.split(b"\n")
    tail = records.pop()
    if tail and is_whole:
        records.append(tail)
    elif tail:
        records.append(None)  # its control octet moves the paper already
    lines, at, page = [], None, b""
    for record in records:
        if record is None:
            record = tail
        control, text = record[:1] or b" ", record[1:]
        if control == b"+" and at is not None:
            at = over(at, text)
            continue
        if at is not None:
            lines.append(page + at)
            page = b""
        if control == b"1":
            page = b"\f" if lines else b""
        else:
            for _ in range({b"0": 1, b"-": 2}.get(control, 0)):
                lines.append(page)
                page = b""
        at = text
    if is_whole and at is not None:
        lines.append(page + at)
    return [line + b"\n" for line in lines]


def over(line, layer):
    """Printable text over printable text; the campaign prints no underscores."""
    width = max(len(line), len(layer.rstrip(b" ")))
    line, layer = line.ljust(width), layer.ljust(width)
    return bytes(b if a == 0x20 else a for a, b in zip(line, layer))


class Model:
    def __init__(self, raw, is_whole=True):
        self.raw = raw
        self.lines = printed(raw, is_whole)
        self.text = b"".join(self.lines)
        self.records = raw.splitlines(keepends=True)
        if not is_whole and self.records and not self.records[-1].endswith(b"\n"):
            self.records.pop()
        self.is_whole = is_whole


class Whole:
    """One output that is complete, and random questions about it."""

    def __init__(self, target, raw):
        self.target, self.model = target, Model(raw)

    def ask(self, randomness):
        """(target, headers, what is right)"""
        model = self.model
        form = randomness.choice(["text", "raw"])
        body = model.text if form == "text" else model.raw
        kind = randomness.randrange(8)
        if kind < 4:
            return self.octets(randomness, form, body)
        if kind < 6:
            total = len(model.lines)
            first, last, query = span(randomness, total)
            return f"{self.target}?lines={query}", {}, (200, b"".join(model.lines[first - 1:last]), None)
        if kind < 7:
            total = len(model.records)
            first, last, query = span(randomness, total)
            if first > total:
                return f"{self.target}?format=raw&records={query}", {}, (416, None, f"*/{total}")
            right = b"".join(model.records[first - 1:last])
            if form == "text":
                right = b"".join(printed(right))
            return (f"{self.target}?format={form}&records={query}", {},
                    (200, right, f"{first}-{min(last, total)}/{total}"))
        word = randomness.choice([b"0", b"99", b"LINE", b"no such", b"%d" % randomness.randrange(20000)])
        found = [(at + 1, record[1:].rstrip(b"\r\n ")) for at, record in enumerate(model.records) if word in record[1:]][:50]
        right = b"".join(b"%d:%s\n" % item for item in found)
        return f"{self.target}?grep={word.decode().replace(' ', '%20')}&max=50", {}, (200, right, "grep")

    def octets(self, randomness, form, body):
        length = len(body)
        first = edge(randomness, length + 2)
        last = randomness.choice([first, first + randomness.randrange(200), edge(randomness, length + 2), length - 1, length + 5])
        which = randomness.randrange(8)
        target = f"{self.target}?format={form}"
        if which == 0:
            count = randomness.choice([1, 5, length, length + 7, 0])
            part = body[max(0, length - count):] if count else b""
            right = (206, part, f"bytes {length - len(part)}-{length - 1}/{length}") if count and length else (416, None, f"bytes */{length}")
            return target, {"Range": f"bytes=-{count}"}, right
        if which == 1:
            right = (206, body[first:], f"bytes {first}-{length - 1}/{length}") if first < length else (416, None, f"bytes */{length}")
            return target, {"Range": f"bytes={first}-"}, right
        if last < first:
            return target, {"Range": f"bytes={first}-{last}"}, (200, body, None)
        right = (206, body[first:last + 1], f"bytes {first}-{min(last, length - 1)}/{length}") if first < length else (416, None, f"bytes */{length}")
        return target, {"Range": f"bytes={first}-{last}"}, right


def edge(randomness, length):
    """Anywhere, more often near an end or where pieces meet."""
    near = randomness.choice([0, length, length // 2, 65536, 131072, 262144])
    return max(0, min(length, near + randomness.randrange(-3, 4))) if randomness.randrange(2) else randomness.randrange(length + 1)


def span(randomness, total):
    kind = randomness.randrange(4)
    if kind == 0:
        count = randomness.choice([1, 2, 10, randomness.randrange(1, total + 3), total])
        return max(1, total - count + 1), total, f"-{max(1, count)}"
    first = max(1, edge(randomness, total + 1))
    if kind == 1:
        last = first + randomness.randrange(50)
    else:
        last = max(first, edge(randomness, total + 1))
    if kind == 2 and last - first > 500:
        last = first + randomness.randrange(500)
    return first, last, f"{first}-{last}"


def differs(answer, right):
    status, body, field = right
    if answer is None:
        return "no answer"
    got, headers, content = answer
    if got != status:
        return f"status {got}, not {status}: {content[:200]}"
    if body is not None and field == "grep":
        content = content[:content.index(b"-- more")] if b"-- more" in content else content
    if body is not None and content != body:
        return f"{len(content)} octets {content[:60]!r}, not {len(body)} {body[:60]!r}"
    if field and field.startswith("bytes") and headers.get("content-range") != field:
        return f"Content-Range {headers.get('content-range')}, not {field}"
    if field and field[0].isdigit() and headers.get("output-records") != field:
        return f"Output-Records {headers.get('output-records')}, not {field}"
    return None


def ended(client, job, wait=60):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        answer = client.json("GET", f"/v1/jobs/{job}", headers={"Prefer": f"wait={wait}"})
        if answer and answer[1].get("ended_at"):
            return answer[1]
    raise SystemExit(f"the job {job} did not end")


def submit(client, content):
    answer = client.json("POST", "/v1/jobs", body=content, headers={"Content-Type": "text/plain"})
    if answer is None or answer[0] != 201:
        raise SystemExit(f"not submitted: {answer}")
    return answer[1]["id"]


def growing(ground, client, score, randomness, cases):
    """Asks for parts of an output while it comes over a slow line."""
    job = submit(client, deck("GROWING", "//S1 EXEC PGM=LINES,PARM=9000\n//SYSPRINT DD SYSOUT=*\n"))
    number, deadline = None, time.monotonic() + 60
    while number is None and time.monotonic() < deadline:
        items = client.json("GET", f"/v1/jobs/{job}/outputs")[1]["items"]
        number = next((item["number"] for item in items if item.get("growing") and item.get("dd") == "SYSPRINT"), None)
    score.check("an output that grows is listed", number is not None)
    if number is None:
        return None
    target = f"/v1/jobs/{job}/outputs/{number}"
    followed = []
    follower = threading.Thread(target=lambda: followed.append(Client(ground.gateway).call("GET", target + "?follow", timeout=120)))
    follower.start()
    answers = []
    while len(answers) < cases:
        form = randomness.choice(["text", "raw"])
        kind = randomness.randrange(6)
        headers = {}
        if kind == 0:
            headers = {"Range": f"bytes=-{randomness.randrange(1, 3000)}"}
            query = f"?format={form}"
        elif kind == 1:
            first = randomness.randrange(300_000)
            headers = {"Range": f"bytes={first}-{first + randomness.randrange(2000)}"}
            query = f"?format={form}"
        elif kind == 2:
            query = f"?lines=-{randomness.randrange(1, 200)}"
        elif kind == 3:
            first = randomness.randrange(1, 3000)
            query = f"?lines={first}-{first + randomness.randrange(100)}"
        elif kind == 4:
            query = f"?format=raw&records=-{randomness.randrange(1, 200)}"
        else:
            first = randomness.randrange(1, 3000)
            query = f"?format=raw&records={first}-{first + randomness.randrange(100)}"
        answer = client.call("GET", target + query, headers=headers)
        if answer and answer[1].get("output-complete") == "?1":
            break
        answers.append((form, query, headers, answer))
    document = ended(client, job)
    raw = client.call("GET", target, headers=RAW)[2]
    entry = next(item for item in document["outputs"] if item["number"] == number)
    score.check("the whole is what its hash says", hashlib.sha256(raw).hexdigest() == entry["sha256"])
    follower.join(60)
    text = Model(raw).text
    score.check("what was followed is the whole text", bool(followed) and followed[0] is not None and followed[0][2] == text,
                followed and followed[0] and (len(followed[0][2]), len(text)))
    wrong, compared, models = [], 0, {}
    for form, query, headers, answer in answers:
        if answer is None:
            wrong.append((query, headers, "no answer"))
            continue
        status, fields, body = answer
        if status == 416:
            compared += 1
            continue
        tag = re.match(r'W/"growing-(\d+)-', fields.get("etag", ""))
        if status not in (200, 206) or not tag:
            wrong.append((query, headers, status, fields.get("etag"), body[:100]))
            continue
        come = int(tag[1])
        model = models.setdefault(come, Model(raw[:come], is_whole=False))
        wrong += [(query, headers, problem) for problem in [of_growing(model, form, query, fields, status, body)] if problem]
        compared += 1
    score.check(f"{compared} parts of {len(models)} stages of a growing output are those of the model", not wrong and compared > 20, wrong[:3])
    return target, raw


def of_growing(model, form, query, fields, status, body):
    whole = model.text if form == "text" else model.raw
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-(\d+)/\*", fields["content-range"])
        if not match:
            return fields["content-range"]
        part = whole[int(match[1]):int(match[2]) + 1]
    elif "lines=-" in query:
        part = b"".join(model.lines[-int(query.split("=-")[1]):])
    elif "lines=" in query:
        first, last = map(int, query.split("lines=")[1].split("-"))
        part = b"".join(model.lines[first - 1:last])
    elif "records=" in query:
        first, last = map(int, re.fullmatch(r"(\d+)-(\d+)/\*", fields["output-records"]).groups())
        part = b"".join(model.records[first - 1:last])
    else:
        return f"status {status}"
    return None if part == body else f"{len(body)} octets {body[:50]!r}, not {len(part)} {part[:50]!r}"


def digest(body):
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def forms(client, score, whole, job):
    """Each form of a whole output, opened by programs that others wrote."""
    model = whole.model
    lines = client.call("GET", whole.target + "?format=ndjson")[2].splitlines()
    records = [json.loads(line) for line in lines]
    score.check("the records are those of the host", b"".join((r["control"] + r["text"]).encode() + b"\n" for r in records) == model.raw)
    document = json.loads(client.call("GET", whole.target + "?format=records")[2])
    score.check("one document has the same", document["records"] == records)
    packed = client.call("GET", whole.target, headers={"Accept-Encoding": "gzip"})
    score.check("gzip unpacks to the text", packed[1].get("content-encoding") == "gzip" and zlib.decompress(packed[2], 31) == model.text)
    archive = zipfile.ZipFile(io.BytesIO(client.call("GET", f"/v1/jobs/{job}/output?format=zip")[2]))
    names = archive.namelist()
    raw = [archive.read(name) for name in names if "/raw/" in name and "SYSPRINT" in name]
    score.check("the archive is sound and has the output", archive.testzip() is None and model.raw in raw, names)
    score.check("deck, document and text are in it", all(any(n.endswith(e) for n in names) for e in ("/deck.jcl", "/job.json", ".txt")), names)
    _, fields, body = client.call("GET", f"/v1/jobs/{job}/output", headers={"Accept": "multipart/mixed"})
    parts = email.message_from_bytes(b"Content-Type: " + fields["content-type"].encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP).get_payload()
    texts = {part["content-location"]: part.get_payload(decode=True) for part in parts}
    score.check("the parts are the texts", texts.get(whole.target) == model.text and len(texts) == len(parts), fields["content-type"])
    pdf = client.call("GET", whole.target + "?format=pdf")[2]
    place = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", pdf)[1])
    score.check("the PDF's table is where it says", pdf[place:place + 5] == b"xref\n")
    if shutil.which("qpdf") and shutil.which("pdftotext"):
        path = os.path.join(tempfile.mkdtemp(prefix="port77-pdf-"), "report.pdf")
        with open(path, "wb") as file:
            file.write(pdf)
        checked = subprocess.run(["qpdf", "--check", path], capture_output=True, text=True)
        score.check("qpdf finds no fault in it", checked.returncode == 0 and "warning" not in checked.stderr.lower(), checked.stdout + checked.stderr)
        shown = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True).stdout
        score.check("pdftotext reads every line on its page",
                    shown.split() == model.text.split() and shown.count(b"\f") == model.text.count(b"\f") + 1, shown[:200])
        shutil.rmtree(os.path.dirname(path))
    page = client.call("GET", whole.target + "?format=html")
    score.check("the page may run nothing", "default-src 'none'" in page[1]["content-security-policy"] and b"<script" not in page[2])


def main():
    score, randomness = Score("ranges"), seeded()
    cases = argument("cases", 2000)
    folder = tempfile.mkdtemp(prefix="port77-ranges-")
    ground = Ground(folder, host_data=False, host_arguments=["--faults", "slow=350000"]).start()
    client = Client(ground.gateway)
    wholes, jobs = [], []
    words = ["TOTAL", "COST", "  ", "=", "/", "ABEND S0C7", "99"]
    cards = "".join(randomness.choice("1 0-+ + ") + " ".join(randomness.choices(words, k=randomness.randrange(6))) + "\n" for _ in range(600))
    for name, step in (
            ("OVER", "//S1 EXEC PGM=IEBGENER\n//SYSPRINT DD SYSOUT=*\n//SYSUT2 DD SYSOUT=*,DCB=(RECFM=FBA,LRECL=133)\n"
                     f"//SYSIN DD DUMMY\n//SYSUT1 DD *\n{cards}/*\n"),
            ("SMALL", "//S1 EXEC PGM=LINES,PARM=40\n//SYSPRINT DD SYSOUT=*\n"),
            ("MIDDLE", "//S1 EXEC PGM=LINES,PARM=1500\n//SYSPRINT DD SYSOUT=*\n")):
        job = submit(client, deck(name, step))
        document = ended(client, job)
        jobs.append(job)
        for file in document["outputs"]:
            target = f"/v1/jobs/{job}/outputs/{file['number']}"
            raw = client.call("GET", target, headers=RAW)[2]
            if hashlib.sha256(raw).hexdigest() != file["sha256"]:
                raise SystemExit(f"{target} is not what its hash says")
            wholes.append(Whole(target, raw))
    grown = growing(ground, client, score, randomness, min(cases // 4, 20_000))
    if grown:
        wholes.append(Whole(*grown))
    for whole in wholes:
        _, fields, text = client.call("GET", whole.target)
        score.check(f"the text of {whole.target[-12:]} is that of the model", text == whole.model.text, (len(text), len(whole.model.text)))
        score.check(f"its digest is that of {len(text)} octets", fields.get("repr-digest") == digest(text), fields.get("repr-digest"))
    forms(client, score, wholes[-2], jobs[-1])
    wrong, asked, started = [], 0, time.monotonic()
    while asked < cases and len(wrong) < 5:
        # The long one seldom: it is the others that are asked for much in a short time.
        whole = wholes[-1] if randomness.randrange(12) == 0 else randomness.choice(wholes[:-1])
        target, headers, right = whole.ask(randomness)
        answer = client.call("GET", target, headers=headers)
        problem = differs(answer, right)
        if problem:
            wrong.append((target, headers, problem))
        asked += 1
    print(f"{asked} parts in {time.monotonic() - started:.1f} s", flush=True)
    score.check(f"{asked} random parts are those of the model", not wrong, wrong)
    score.check("both end on SIGTERM", ground.stop() == (0, 0))
    if not score.failed:
        shutil.rmtree(folder, ignore_errors=True)
    score.close()


main()
