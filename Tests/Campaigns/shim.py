"""Builds shim.c, and arms it in processes under test."""
import errno
import mmap
import os
import shutil
import struct
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WRITE, SYNC, RENAME, UNLINK, OPEN, TRUNCATE, SEND, MAKE, ACCEPT = (1 << bit for bit in range(9))
KILL, POWER, FAIL, SHORT = 1, 2, 3, 4
STORED = WRITE | SYNC | RENAME | UNLINK | OPEN | TRUNCATE | MAKE
NUMBERS = struct.Struct("8q")


def built():
    library = os.path.join(tempfile.gettempdir(), f"port77-shim-{os.getuid()}-{os.getpid()}.so")
    # a Swift toolchain brings a clang
    compiler = os.environ.get("CC") or next(name for name in ("cc", "clang", "gcc") if shutil.which(name))
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "shim.c"),
                    "-ldl", "-lpthread"], check=True)
    return library


class Shim:
    """The shim of one process, across its restarts."""

    def __init__(self, library, folder, control):
        with open(control, "wb") as file:
            file.write(bytes(4096))
        with open(control, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)
        self.environment = {"LD_PRELOAD": library, "SHIM_CONTROL": control, "SHIM_FOLDER": folder}

    def arm(self, action, kinds, at, error=0, lasting=False, seed=0):
        self.map[64:256] = bytes(192)
        # disarmed first: a count that begins anew must not meet the old number
        self.map[8:16] = bytes(8)
        self.map[: NUMBERS.size] = NUMBERS.pack(0, 0, kinds, action, error, int(lasting), 0, seed)
        self.map[8:16] = struct.pack("q", at)

    def disarm(self):
        self.map[8:16] = bytes(8)

    @property
    def count(self):
        return NUMBERS.unpack(self.map[: NUMBERS.size])[0]

    @property
    def fired(self):
        return NUMBERS.unpack(self.map[: NUMBERS.size])[6]

    @property
    def what(self):
        """The call it happened at."""
        return self.map[64:256].split(b"\0")[0].decode()


#: Faults: which calls count, and what becomes of the n-th.
FAULTS = {
    "kill": dict(action=KILL, kinds=STORED | SEND),
    "power": dict(action=POWER, kinds=STORED | SEND),
    "eio": dict(action=FAIL, kinds=WRITE | RENAME | UNLINK | OPEN | TRUNCATE | MAKE, error=errno.EIO),
    "enospc": dict(action=FAIL, kinds=WRITE | RENAME | OPEN | MAKE, error=errno.ENOSPC, lasting=True),
    "emfile": dict(action=FAIL, kinds=OPEN | ACCEPT, error=errno.EMFILE, lasting=True),
    "short": dict(action=SHORT, kinds=WRITE),
    "fsync": dict(action=FAIL, kinds=SYNC, error=errno.EIO),
}
