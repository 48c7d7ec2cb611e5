"""What an operator and a client can see: metrics, request ids and traces, logs, frames of a job's sessions, the pages.

    python3 Tests/Campaigns/observe.py --port77 .build/release/port77

Real hosts over three protocols. `promtool` (Debian package prometheus) judges the metrics where it is installed. Every line of
curl that /docs shows is run, and every one of docs/observability.md.
"""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from ground import PORT77, SECRET, Client, Receiver, Score
from protocols import ThreeProtocols

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
MARK = "PRINTMARKER"
DECK = (f"//SEEN JOB (1),'SEEN',CLASS=A\n//S1 EXEC PGM=IEBGENER\n//SYSPRINT DD SYSOUT=*\n//SYSUT2 DD SYSOUT=*\n"
        f"//SYSIN DD DUMMY\n//SYSUT1 DD *\n{MARK}\n/*\n")


class Tracing(Receiver):
    """Keeps the trace fields that came with each event."""

    def __init__(self):
        self.traces = {}
        super().__init__()

    def take(self, headers, body):
        with self.lock:
            self.traces.setdefault(headers.get("webhook-id"), []).append(
                (headers.get("traceparent"), headers.get("tracestate")))
        super().take(headers, body)


def until(what, limit=30):
    """Asks again and again until there is an answer, or time is up."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    return what()


score = Score("observe")
folder = tempfile.mkdtemp(prefix="port77-observe-")
ground = ThreeProtocols(folder)
ground.receiver = Tracing()
ground.host.start()
ground.write_config()
config = open(ground.config).read().replace("log: {level: notice}", "log: {level: debug, format: json, access: info}")
open(ground.config, "w").write(config)
ground.gateway.start()
client = Client(ground.gateway)

# Jobs over each protocol, in a client's trace.
jobs = {}
for host in ("priv", "rje", "net"):
    answer = client.call(
        "POST", f"/v1/jobs?host={host}&notify={ground.receiver.url}&notify_events=job.*", DECK.encode(),
        {"Content-Type": "text/plain", "X-Request-ID": f"ask-{host}", "traceparent": f"00-{TRACE}-{SPAN}-01",
         "tracestate": "vendor=77", "Prefer": "wait=60"})
    job = json.loads(answer[2])
    jobs[host] = job
    score.check(f"{host}: the job ends, and keeps request and trace",
                answer[0] == 201 and answer[1]["request-id"] == f"ask-{host}" == job["request_id"] and job["state"] == "completed"
                and job["traceparent"].startswith(f"00-{TRACE}-") and SPAN not in job["traceparent"], answer)
ids = {job["id"] for job in jobs.values()}


def told():
    ends = {job for job, events in ground.receiver.by_job().items() if any(kind == "job.completed" for _, kind in events)}
    return ids <= ends


score.check("each end was told by webhook", until(told), ground.receiver.by_job().keys())
with ground.receiver.lock:
    traces = [trace for tries in ground.receiver.traces.values() for trace in tries]
parents = [parent for parent, _ in traces]
score.check("every webhook goes on with the trace, each in a step of its own",
            all(parent and re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", parent) for parent in parents)
            and len(set(parents)) == len(parents) and all(state == "vendor=77" for _, state in traces), traces[:5])

# What went over the lines.
for host, sign_on, blank in (("priv", "USER RMT1", "PASS ***"), ("rje", "USER=RMT2", "PASS=***"), ("net", "SIGNON RMT3,***", "***")):
    path = f"/v1/jobs/{jobs[host]['id']}/trace"
    status, document = client.json("GET", path)
    text = client.call("GET", path, headers={"Accept": "text/plain"})[2].decode()
    data = client.call("GET", path + "?data=1", headers={"Accept": "text/plain"})[2].decode()
    frames = document["frames"]
    score.check(f"{host}: the sign-on is there with its password blanked", sign_on in text and blank in text, text)
    score.check(f"{host}: neither the password nor the deck is",
                not any(word in one for one in (text, json.dumps(document)) for word in ("secret", MARK)), text)
    score.check(f"{host}: the deck appears as a length, and with data=1 by its beginning",
                any(f.get("data") and f["direction"] == "out" and f["octets"] > 0 for f in frames) and "SEEN" in data
                and "secret" not in data, data)
    lines = client.call("GET", path, headers={"Accept": "application/x-ndjson"})[2].decode().splitlines()
    score.check(f"{host}: the same as lines", [json.loads(line) for line in lines] == frames, len(lines))
    times = [f["at"] for f in frames if f["attempt"] == 1 and f["channel"] != "output"]
    score.check(f"{host}: times are told", len(times) == len([t for t in times if re.fullmatch(r"\d{4}-.*Z", t)]) > 3, times)
said = [f.get("text", "") for f in client.json("GET", f"/v1/jobs/{jobs['priv']['id']}/trace")[1]["frames"]]
score.check("priv: handing in and fetching, nothing of others", any(s.startswith("INPUT ") for s in said)
            and any(s.startswith("FETCH ") for s in said) and not any(s.startswith("WATCH") for s in said), said)
printed = subprocess.run([PORT77, "trace", jobs["priv"]["id"], "--gateway", f"http://127.0.0.1:{ground.gateway.port}"],
                         capture_output=True, text=True)
score.check("port77 trace prints them", printed.returncode == 0 and "PASS ***" in printed.stdout, printed)

# Metrics.
metrics = client.call("GET", "/metrics")[2].decode()
for wanted in ('rje_jobs_total{host="priv",outcome="ok"} 1', 'rje_jobs_total{host="net",outcome="ok"} 1',
               'rje_job_stage_seconds_count{stage="total"} 3', 'rje_webhook_attempts_total{result="delivered"}',
               'rje_line_bytes_total{dir="out"}', 'rje_recovering_hosts 0', 'rje_line_state{host="priv",line="1"} 2'):
    score.check(f"metrics have {wanted}", wanted in metrics, metrics[-3000:])
if shutil.which("promtool"):
    for kind, accept in (("text", "text/plain"),):
        body = client.call("GET", "/metrics", headers={"Accept": accept})[2]
        judged = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True)
        score.check(f"promtool has nothing to say of the {kind} format",
                    judged.returncode == 0 and not judged.stdout.strip() and not judged.stderr.strip(), judged)
openmetrics = client.call("GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
score.check("OpenMetrics ends with its mark", openmetrics[2].endswith(b"# EOF\n"), openmetrics[2][-200:])

# Logs.
log = open(os.path.join(folder, "gateway.log")).read()
lines = []
for line in log.splitlines():
    try:
        lines.append(json.loads(line))
    except ValueError:
        lines.append({"broken": line})
score.check("every log line is JSON with time, level and event",
            lines and all({"time", "level", "event"} <= line.keys() for line in lines), lines[:3])
score.check("a request has its line", any(
    line["event"] == "request" and line.get("request_id") == "ask-priv" and line.get("trace_id") == TRACE
    and line["path"] == "/v1/jobs" and line["status"] == "201" for line in lines), log[:1500])
score.check("a job's states have lines with its request and trace", {"queued", "completed"} <= {
    line.get("state") for line in lines if line.get("job") == jobs["rje"]["id"] and line.get("trace_id") == TRACE}, log[-1500:])
score.check("no deck, print-out or secret is in the log", not any(word in log for word in (MARK, SECRET)), "")

# Health, and what survives a kill.
score.check("alive and ready, in lines", client.call("GET", "/livez?verbose")[2] == b"[+]loop\n[+]store\n"
            and client.call("GET", "/readyz?verbose")[2] == b"[+]store\n[+]recovery\n[+]draining\n")
before = client.call("GET", f"/v1/jobs/{jobs['priv']['id']}/trace")[2]
client.close()
ground.gateway.kill()
ground.gateway.start()
score.check("a job's frames survive a kill", client.call("GET", f"/v1/jobs/{jobs['priv']['id']}/trace")[2] == before)
score.check("and it becomes ready", until(lambda: client.call("GET", "/readyz")[0] == 200))

# The lines of the page about all this.
base = f"http://127.0.0.1:{ground.gateway.port}"
page = open(os.path.join(ROOT, "docs/observability.md")).read()
failed = []
for line in "\n".join(re.findall(r"```sh\n(.*?)```", page, re.S)).splitlines():
    if not line.startswith(("curl", "port77 trace")):
        continue
    line = line.replace("http://localhost:8077", base).replace("$JOB", jobs["priv"]["id"]).replace("port77 trace", f"{PORT77} trace --gateway {base}")
    run = subprocess.run(["bash", "-c", "set -o pipefail; " + line], cwd=ROOT, capture_output=True, text=True)
    if run.returncode or not run.stdout or run.stdout.startswith('{"type":"/problems'):
        failed.append((line, run.returncode, run.stdout[:300], run.stderr[:300]))
score.check("each line of docs/observability.md runs", not failed, failed)
# The lines of curl that /docs shows, as its script makes them; samples of the description become what is really there.
hook = client.json("POST", "/v1/webhooks", body=json.dumps({"url": ground.receiver.url, "events": ["job.*"]}),
                   headers={"Content-Type": "application/json"})[1]
api = os.path.join(folder, "openapi.json")
open(api, "wb").write(client.call("GET", "/openapi.json")[2])
script = """
import { readFileSync } from "node:fs";
const { operations, curlLine } = await import("data:text/javascript," + encodeURIComponent(readFileSync(process.argv[1], "utf8")));
const api = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const entry of operations(api)) {
  console.log(JSON.stringify([entry.id, curlLine(api, entry, process.argv[3]), Object.keys(entry.operation.responses)]));
}
"""
node = shutil.which("node")
made = subprocess.run([node, "--input-type=module", "-e", script, os.path.join(ROOT, "public/curl.js"), api, base],
                      capture_output=True, text=True)
score.check("the page's script makes a line for each operation", made.returncode == 0 and made.stdout.count("\n") > 40, made.stderr)
shown = [json.loads(line) for line in made.stdout.splitlines()]
# Removing comes last, and behind it the first key: from then on one is asked for.
shown.sort(key=lambda one: (one[0] == "createKey", one[0].startswith(("purge", "delete", "remove", "revoke"))))
USUAL = {"listJobs", "submitJob", "submitJobByPut", "getJob", "listOutputs", "getOutput", "getPrintOut", "getDeck", "listJobEvents",
         "getJobTrace", "listAttempts", "listDeliveries", "createWebhook", "getWebhook", "listWebhooks", "listEvents", "listHosts",
         "getHost", "drainHost", "resumeHost", "getMetrics", "getLiveness", "getReadiness", "getDocs", "getProblem", "getAsset"}
bad, seen = [], {}
for name, line, answers in shown:
    line = line.replace("wh_01KAQ3W8Z5T0C7Q1M9E4R2V6XB", hook["id"]).replace("01KAQ3W8Z5T0C7Q1M9E4R2V6XB", jobs["priv"]["id"])
    line = line.replace("https://ci.example/hook", ground.receiver.url).replace("/v1/hosts/demo", "/v1/hosts/priv")
    if name.startswith("submitJob"):
        line += "?host=priv"
    run = subprocess.run(["bash", "-c", line + " -o /dev/null -w '%{http_code}' --max-time 20"], cwd=ROOT,
                         capture_output=True, text=True)
    status = seen[name] = run.stdout.strip()[-3:]
    is_right = status.startswith("2") if name in USUAL else status in answers and status not in ("400", "405", "415")
    if not is_right:
        bad.append((name, line, status))
score.check(f"each of the {len(shown)} lines of curl is answered as described", not bad, bad)
score.check("all usual ones are among them", USUAL <= seen.keys(), USUAL - seen.keys())

client.close()
score.check("all end on SIGTERM", ground.stop() == (0, 0))
score.close()
