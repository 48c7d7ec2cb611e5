"""Live deliveries verified by libraries that others wrote: standardwebhooks and svix, and cloudevents for its modes.

    $(scripts/webhook-tools) Tests/Campaigns/libraries.py --port77 .build/debug/port77

Also during a rotation, of a job's own `notify`, of `webhook.test` and of what is sent again; the gateway's public key by
cryptography; every body by the schema of the OpenAPI document; receivers that agree by handshake or challenge, and one that has gone.
"""
import base64
import http.server
import json
import socketserver
import tempfile
import threading
import time

import cloudevents.core.bindings.http as ce
import jsonschema
import standardwebhooks.webhooks
import svix.webhooks
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ground import Client, Ground, Score

DECK = b"//LIBS JOB (1),'CAMPAIGN',CLASS=A\n//S1 EXEC PGM=IEFBR14\n"
MODES = ["standard", "cloudevents-binary", "cloudevents-structured", "cloudevents-batch"]


class Taker(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    calls, lock = [], threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.lock:
            self.calls.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        told = json.loads(body)
        told = {} if isinstance(told, list) else told.get("data", {})
        answer = told.get("challenge", "").encode() if self.path == "/challenge" else b""
        self.send_response(410 if self.path == "/gone" else 200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_OPTIONS(self):
        self.send_response(405)  # the status proves nothing
        if self.path == "/handshake":
            self.send_header("WebHook-Allowed-Origin", self.headers["WebHook-Request-Origin"])
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def takes(library, secret, headers, body):
    try:
        library.Webhook(secret).verify(body, headers)
        return True
    except Exception:  # each has its own
        return False


def messages(mode, headers, body):
    """What the library is to read, one for each event: it knows no batches."""
    if mode != "cloudevents-batch":
        return [ce.HTTPMessage(headers=headers, body=body)]
    return [ce.HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=json.dumps(event).encode())
            for event in json.loads(body)]


def identifiers(mode, headers, body):
    return [event["id"] for event in json.loads(body)] if mode == "cloudevents-batch" else [headers["webhook-id"]]


def attributes(event):
    return {name: str(value) for name, value in event.get_attributes().items()}


def main():
    score, ground = Score("libraries"), Ground(tempfile.mkdtemp(prefix="port77-libraries-"), host_data=False).start()
    server = Threads(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    client = Client(ground.gateway)

    def ask(method, target, document=None):
        return client.json(method, target, body=None if document is None else json.dumps(document).encode(),
                           headers={"Content-Type": "application/json"})[1]

    def arrived(path, wanted, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with Taker.lock:
                found = [(headers, body) for at, headers, body in Taker.calls if at == path]
            if wanted(found):
                return found
            time.sleep(0.02)
        return found

    def run_job(query=""):
        answer = client.call("POST", f"/v1/jobs?host=demo{query}", DECK, {"Prefer": "wait=30"})
        return json.loads(answer[2])

    hooks = {mode: ask("POST", "/v1/webhooks", {
        "url": f"{base}/{mode}", "events": ["job.*"], "mode": mode, "signatures": ["v1a"]}) for mode in MODES}
    keys = [item["key"] for item in ask("GET", "/v1/webhook-keys")["items"]]
    agreeing = {kind: ask("POST", "/v1/webhooks", {
        "url": f"{base}/{kind}", "events": ["job.*"], "verification": kind}) for kind in ("handshake", "challenge")}
    silent = ask("POST", "/v1/webhooks", {"url": f"{base}/silent", "events": ["job.*"], "verification": "handshake"})
    gone = ask("POST", "/v1/webhooks", {"url": f"{base}/gone", "events": ["job.*"]})
    ask("POST", "/v1/webhooks", {"url": f"{base}/alarm", "events": ["webhook.disabled"]})
    score.check("who must agree is called for nothing before",
                all(hook["state"] == "pending" for hook in (*agreeing.values(), silent)), agreeing)
    first = run_job()
    for mode in MODES:
        arrived(f"/{mode}", lambda found: any(b'"job.completed"' in body for _, body in found))
        ask("POST", f"/v1/webhooks/{hooks[mode]['id']}/rotate", {"overlap": 3600})
    # The name of a job is ASCII; its label is not.
    second = run_job("&label.city=Z%C3%BCrich%20%22%25")
    events = {event["id"] for job in (first, second) for event in ask("GET", f"/v1/jobs/{job['id']}/events?limit=100")["items"]}
    for mode in MODES:
        # The newer of two events may come first.
        calls = arrived(f"/{mode}", lambda found: events <= {
            event for headers, body in found for event in identifiers(mode, headers, body)})
        secret = hooks[mode]["secret"]
        score.check(f"{mode}: two jobs were told", sum(b'"job.completed"' in body for _, body in calls) == 2, len(calls))
        for library in (standardwebhooks, svix):
            bad = [h for h, body in calls if not takes(library.webhooks, secret, h, body)]
            score.check(f"{mode}: {library.__name__} takes all {len(calls)}, after the rotation as well", calls and not bad, bad)
        changed = [h for h, body in calls if takes(standardwebhooks.webhooks, secret, h, body + b" ")]
        score.check(f"{mode}: and takes none that was changed", not changed, changed)
        rotated = [h["webhook-signature"] for h, _ in calls if h["webhook-signature"].count("v1,") == 2]
        score.check(f"{mode}: both secrets sign after the rotation", rotated and len(rotated) < len(calls), len(rotated))
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(keys[0].removeprefix("whpk_")))
        for headers, body in calls:
            signature = next((s for s in headers["webhook-signature"].split() if s.startswith("v1a,")), "v1a,")
            public.verify(base64.b64decode(signature[4:]),
                          f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body)
        score.check(f"{mode}: the public key verifies all", True)
        if mode == "standard":
            plain = {headers["webhook-id"]: json.loads(body) for headers, body in calls}
            continue
        wrong, carried = [], {}
        for headers, message in [(headers, message) for headers, body in calls for message in messages(mode, headers, body)]:
            event = ce.from_http_event(message)
            seen, told = attributes(event), event.get_data()
            told = json.loads(told) if isinstance(told, (bytes, str)) else told
            job = told["data"]["id"]
            carried.setdefault(seen["id"], []).append(headers["webhook-id"])
            if (seen["id"] != headers["webhook-id"] and mode != "cloudevents-batch" or not seen["type"].endswith("." + told["type"])
                    or seen["subject"] != job or job not in (first["id"], second["id"]) or seen["specversion"] != "1.0"
                    or plain.get(seen["id"]) != told or not seen["source"] or "ce-datacontenttype" in headers):
                wrong.append((seen, told))
        score.check(f"{mode}: cloudevents reads id, type, subject and the same data as in the plain mode", not wrong, wrong[:1])
        kind = {"binary": "application/json", "structured": "application/cloudevents+json",
                "batch": "application/cloudevents-batch+json"}[mode.split("-")[1]]
        score.check(f"{mode}: the media type is {kind}", all(h["content-type"].startswith(kind) for h, _ in calls))
    told, deadline = {}, time.monotonic() + 30
    while told.keys() != events and time.monotonic() < deadline:  # recorded after it has arrived
        shown = ask("GET", f"/v1/webhooks/{hooks['cloudevents-batch']['id']}/deliveries?state=delivered&limit=100")["items"]
        told = {delivery["event_id"]: [attempt["batch"] for attempt in delivery["attempts"]] for delivery in shown}
        time.sleep(0.02)
    score.check(f"each of {len(told)} deliveries shows the call that carried it",
                told.keys() == events and told == carried, (told, carried))
    labels = [body["data"].get("labels") for body in plain.values()]
    score.check("text beyond ASCII arrives as it was", {"city": 'Zürich "%'} in labels, labels)

    own = "whsec_" + base64.b64encode(b"one job's own secret, 32 octets.").decode()
    document = {"deck": DECK.decode(), "host": "demo", "notify": {"url": f"{base}/once", "events": ["job.*"], "secret": own}}
    ask("POST", "/v1/jobs", document)
    calls = arrived("/once", lambda found: any(b'"job.completed"' in body for _, body in found))
    score.check("notify with its own secret: standardwebhooks takes all",
                calls and all(takes(standardwebhooks.webhooks, own, h, body) for h, body in calls), calls)
    tested = ask("POST", f"/v1/webhooks/{hooks['standard']['id']}/test")
    score.check("a test is delivered", tested["delivered"], tested)
    calls = arrived("/standard", lambda found: any(b'"webhook.test"' in body for _, body in found))
    tests = [(h, body) for h, body in calls if b'"webhook.test"' in body]
    score.check("and verified", len(tests) == 1 and takes(svix.webhooks, hooks["standard"]["secret"], *tests[0]), tests)
    for kind, hook in agreeing.items():
        calls = arrived(f"/{kind}", lambda found: any(b'"job.completed"' in body for _, body in found))
        score.check(f"{kind}: agreed, enabled, told",
                    calls and ask("GET", f"/v1/webhooks/{hook['id']}")["state"] == "enabled"
                    and all(takes(standardwebhooks.webhooks, hook["secret"], h, body) for h, body in calls), calls)
    state = ask("GET", f"/v1/webhooks/{silent['id']}")
    score.check("who does not agree is not told", state["state"] == "pending" and not arrived("/silent", lambda _: True), state)
    alarm = arrived("/alarm", lambda found: found)
    state = ask("GET", f"/v1/webhooks/{gone['id']}")
    score.check("who answers 410 is disabled, and the owner's others hear of it",
                state.get("disabled_reason") == "gone" and alarm and gone["id"].encode() in alarm[0][1], (state, alarm))

    before = {h["webhook-id"]: body for h, body in arrived("/standard", lambda found: found)}
    delivered = ask("GET", f"/v1/webhooks/{hooks['standard']['id']}/deliveries?state=delivered&type=job.completed&limit=1")["items"][0]
    ask("POST", delivered["links"]["redeliver"])

    def twice(found):
        return sum(h["webhook-id"] == delivered["event_id"] for h, _ in found) == 2

    calls = arrived("/standard", twice)
    again = [body for h, body in calls if h["webhook-id"] == delivered["event_id"]]
    score.check("what is sent again has the same id and body", again == [before[delivered["event_id"]]] * 2, again)
    document = yaml.safe_load(open("openapi/port77.yaml"))
    kinds = {"job": "JobEvent", "host": "HostEvent", "webhook": "WebhookEvent"}
    checkers = {kind: jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}) for kind, name in kinds.items()}
    with Taker.lock:
        bodies = {body for path, _, body in Taker.calls if not path.startswith("/cloudevents")}
    odd = []
    for body in bodies:
        event = json.loads(body)
        odd += [f"{event['type']}: {fault.message}" for fault in checkers[event["type"].split(".")[0]].iter_errors(event)]
    score.check(f"{len(bodies)} bodies fit the schemas of the description", len(bodies) > 10 and not odd, odd[:3])
    score.check("both end on SIGTERM", ground.stop() == (0, 0))
    score.close()


main()
