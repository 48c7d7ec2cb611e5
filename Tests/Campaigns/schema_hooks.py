"""What schemathesis must know of this API beside its description; loaded by schema.py (SCHEMATHESIS_HOOKS).

It also has each answer's head judged by httplint, once for each operation and status.
"""
import itertools
import json
import os
import threading

import requests
import schemathesis
from schema_lint import bad

DECK = "//FUZZ JOB (1),'A B',CLASS=A\n//S1 EXEC PGM=IEFBR14\n"
# A family of parameters is described by one name in braces: here is one of each.
FAMILIES = {"label.{key}": "label.env", "symbol.{name}": "symbol.ACCT"}
# Opaque: only what the gateway gave is taken; the campaigns of lists and streams try them.
OPAQUE = {"cursor"}
KEY = os.environ.get("SCHEMA_KEY", "")


@schemathesis.hook
def before_load_schema(context, schema):
    def walk(node):
        if isinstance(node, dict):
            if node.get("in") == "query" and node.get("name") in FAMILIES:
                node["name"] = FAMILIES[node["name"]]
            for key, value in list(node.items()):
                if key == "parameters" and isinstance(value, list):
                    node[key] = [item for item in value if not opaque(item)]
                walk(node[key])
        elif isinstance(node, list):
            for value in node:
                walk(value)

    def opaque(item):
        if "$ref" in item:
            item = schema["components"]["parameters"].get(item["$ref"].rsplit("/", 1)[1], {})
        return item.get("in") == "query" and item.get("name") in OPAQUE

    walk(schema)
    if KEY:
        # That none is needed while there is no key at all is another gateway.
        for item in schema["paths"].values():
            for operation in item.values():
                if isinstance(operation, dict) and operation.get("security"):
                    operation["security"] = [one for one in operation["security"] if one]


def from_elsewhere(send):
    """Each request from another address: what is refused counts against the one that it comes from."""
    def sending(session, request, **more):
        number = next(addresses)
        request.headers.setdefault("Forwarded", f"for=10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
        return send(session, request, **more)
    return sending


addresses = itertools.count(1)
requests.Session.send = from_elsewhere(requests.Session.send)


def is_valid(case):
    meta = getattr(case, "meta", None)
    return meta is not None and meta.generation.mode.name == "POSITIVE"


@schemathesis.hook
def before_call(context, case, kwargs):
    """No schema can say which text is a deck, nor which options go together: a request that is meant to be valid gets a real deck,
    and no option without the one it belongs to. And nobody waits here."""
    operation = case.operation.definition.raw.get("operationId", "")
    query, headers = case.query or {}, case.headers or {}
    if str(query.get("wait", "")).isdigit():
        query["wait"] = 0
    for name in [name for name in headers if name.lower() == "prefer" and "wait" in str(headers[name])]:
        headers[name] = "wait=1"
    if "follow" in query:
        query.pop("follow")
    if operation in ("listEvents", "listJobEvents"):
        headers["Accept"] = "application/json"
        case.headers = headers
        query.pop("records", None)  # told in a stream only, which would hold us up
    if KEY and operation in ("revokeKey", "rotateKey") and str(case.path_parameters.get("id", "")) in KEY:
        case.path_parameters["id"] = "00000000"  # the one that all of this is asked with
    if is_valid(case) and operation == "recoverWebhook" and isinstance(case.body, dict):
        # Which of two times is earlier no schema says.
        case.body = {"since": "2020-01-01T00:00:00Z"}
    if is_valid(case) and operation in ("createWebhook", "changeWebhook") and isinstance(case.body, dict) and "url" in case.body:
        case.body["url"] = "https://ci.example/hook"  # not every URL may be called
    if is_valid(case) and operation in ("createWebhook", "changeWebhook") and isinstance(case.body, dict) and isinstance(
            case.body.get("tls"), dict):
        for name in ("client_certificate", "client_key"):
            case.body["tls"].pop(name, None)  # what a certificate is no schema says
    if is_valid(case) and operation in ("createKey", "rotateKey") and isinstance(case.body, dict) and "expires" in case.body:
        case.body["expires"] = "30d"  # it must be ahead, which no schema says
    if is_valid(case) and operation == "listJobs":
        # Of the ways to show a list one at a time: which of them go together no schema says.
        ways = [name for name in ("group_by", "fields", "sort", "view", "count", "format") if name in query]
        for name in ways[1:] + ["reached"]:
            query.pop(name, None)
        if "fields" in query:
            query["fields"] = "id,state"
    if is_valid(case) and operation in ("getOutput", "getPrintOut", "searchOutputs"):
        fitting_parts(query)
    if not is_valid(case) or not (operation in ("resubmitJob", "validateDeck") or operation.startswith("submitJob")):
        return
    # Values of which the schema knows the form only: the host there is, its templates (none), a form that the deck has.
    fitting = {"host": "demo", "template": "none", "form": "text", "notify": ["https://ci.example/hook"], "notify_events": "job.completed"}
    for name in list(query):
        if name not in ("priority", "hold", "not_before", "on_uncertain", "timeout", "correlator", "label.env", "until", "name", "tabs", "cards",
                        "symbols", "split", *fitting) or (name == "notify_events" and "notify" not in query):
            query.pop(name)
        elif name in fitting:
            query[name] = fitting[name]
    if "split" in query:  # what goes with one job only
        query.pop("name", None)
        query.pop("template", None)
    for name in [name for name in headers if name.lower() in ("notify-secret", "content-digest", "idempotency-key")]:
        headers.pop(name)
        if name.lower() == "idempotency-key":  # for one request only
            headers[name] = f"key-{next(keys)}"
    if operation == "resubmitJob":
        return
    if isinstance(case.body, dict):
        # What the query says is not said again.
        kept = {} if case.media_type == "multipart/form-data" else {
            name: value for name, value in case.body.items()
            if name in ("priority", "hold", "labels", "on_uncertain", "timeout", "correlator") and name not in query}
        if "label.env" in query:
            kept.pop("labels", None)
        case.body = dict(kept, deck=DECK)
    else:
        case.body, case.media_type = DECK, "text/plain"
    if operation == "submitJobWithKey":
        case.path_parameters["id"] = f"key-{next(keys)}"  # a key for two requests is refused


def fitting_parts(query):
    """A part of an output is chosen in one way, and not every form has each."""
    query.pop("from", None)
    if "grep" in query:
        query["grep"] = "JOB"
        kept = [name for name in query if name not in ("lines", "records")]
        if query.get("format") not in ("text", "ndjson"):
            query.pop("format", None)
    else:
        kept = [name for name in query if name not in ("regex", "ignore_case", "context", "max", "cursor")]
        if "lines" in query or query.get("format") == "zip":
            kept = [name for name in kept if name != "records"]
        if "lines" in query:
            query["lines"] = "-5"
            query["format"] = "text"
        if "records" in query:
            query["records"] = "1-"
    for name in [name for name in query if name not in kept and name != "format"]:
        query.pop(name)


keys = itertools.count()
judged, lock = set(), threading.Lock()


@schemathesis.hook
def after_call(context, case, response):
    operation = case.operation.definition.raw.get("operationId", "")
    key = (operation, response.status_code)
    with lock:
        if key in judged:
            return
        judged.add(key)
    notes = bad(response.status_code, response.message, [(name.encode(), value.encode("latin-1")) for name, values
                                                         in response.headers.items() for value in values], response.content or b"")
    with lock, open(os.environ["SCHEMA_LINT"], "a") as file:
        file.write(json.dumps([operation, response.status_code, notes]) + "\n")
