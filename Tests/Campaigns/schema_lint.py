"""What httplint (PyPI) holds against an answer's head; and, as a command, against those that no generator of requests gets: the
parser's and the server's own. Used by schema.py, in its environment.

    schema_lint.py PORT KEY
"""
import json
import socket
import sys

from httplint import HttpResponseLinter
from httplint.note import levels


def bad(status, reason, fields, content, is_head=False):
    linter = HttpResponseLinter()
    linter.is_head_response = is_head
    linter.process_response_topline(b"HTTP/1.1", str(status).encode(), reason.encode())
    linter.process_headers(fields)
    linter.feed_content(content)
    linter.finish_content(True)
    # The linter's way to say 414 itself.
    return [f"{note.__class__.__name__} {note.subject}: {note.summary}" for note in linter.notes
            if note.level == levels.BAD and not note.__class__.__name__.startswith("STATUS_")]


def main(port, key):
    field = f"Authorization: Bearer {key}\r\n" if key else ""
    host = "Host: localhost\r\n"
    for name, want, request in [
            ("no request", 400, "HELLO\r\n\r\n"), ("no Host", 400, "GET /livez HTTP/1.1\r\n\r\n"),
            ("two lengths", 400, f"POST /v1/jobs HTTP/1.1\r\n{host}{field}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
            ("no path", 404, f"GET /nowhere HTTP/1.1\r\n{host}{field}\r\n"),
            ("other method", 405, f"DELETE /v1/jobs HTTP/1.1\r\n{host}{field}\r\n"),
            ("long target", 414, f"GET /{'x' * 20_000} HTTP/1.1\r\n{host}\r\n"),
            ("long field", 431, f"GET /livez HTTP/1.1\r\n{host}X: {'x' * 40_000}\r\n\r\n"),
            ("no body", 422, f"POST /v1/jobs HTTP/1.1\r\n{host}{field}Content-Type: text/plain\r\n\r\n"),
            ("other expectation", 417, f"POST /v1/jobs HTTP/1.1\r\n{host}{field}Expect: tea\r\nContent-Length: 1\r\n\r\nx"),
            ("other coding", 501, f"POST /v1/jobs HTTP/1.1\r\n{host}{field}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            ("other version", 505, f"GET /livez HTTP/3.0\r\n{host}\r\n"),
            ("OPTIONS", 204, f"OPTIONS /v1/jobs HTTP/1.1\r\n{host}{field}\r\n"),
            ("HEAD", 200, f"HEAD /v1/hosts HTTP/1.1\r\n{host}{field}\r\n"), ("TRACE", 405, f"TRACE / HTTP/1.1\r\n{host}\r\n")]:
        with socket.create_connection(("127.0.0.1", port), 30) as line:
            answer = b""
            try:
                line.sendall(request.encode())
                line.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused in the middle of it, as it may be
            while piece := line.recv(65536):
                answer += piece
        head, _, content = answer.partition(b"\r\n\r\n")
        first, *rest = head.split(b"\r\n")
        words = first.decode("latin-1").split(" ", 2)
        status = int(words[1]) if len(words) > 1 else 0
        fields = [tuple(one.strip() for one in row.split(b":", 1)) for row in rest]
        notes = bad(status, (words + ["", ""])[2], fields, content, name == "HEAD")
        print(json.dumps([name, status, notes if status == want else notes + [f"status {status}, not {want}"]]))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
