"""Starts crowds of connections; see peers/crowd.c."""
import json
import subprocess
import threading

from kit import compiled


class Crowd:
    def __init__(self, *words):
        self.process = subprocess.Popen(
            [compiled("crowd"), *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self, timeout=180):
        """Its next line; a crowd that never says it is ended."""
        guard = threading.Timer(timeout, self.process.kill)
        guard.start()
        text = self.process.stdout.readline()
        guard.cancel()
        if not text:
            raise SystemExit("the crowd ended without a word")
        return text

    def report(self):
        return json.loads(self.line())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
