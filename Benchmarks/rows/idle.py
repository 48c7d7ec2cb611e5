"""What connections cost that were answered once and stay open."""
import os

from kit import BUILD, OURS, Group, memory
from rows.crowds import Crowd


def run(bench):
    count = 500 if bench.small else 9_000
    group = Group("Idle connections")
    files = os.path.join(bench.folder, "files")
    os.makedirs(os.path.join(files, "v1", "jobs"))
    path = os.path.join(files, "v1", "jobs", "none")
    with open(path, "wb") as file:
        file.write(b"{}")
    ground = bench.ground()
    ground.host.port = 1  # nobody: no job is sent

    def fresh(start, target):
        """A server of its own, so that no memory of an earlier crowd is used again."""
        server = start()
        before = memory(server)
        crowd = Crowd(server.port, target, count)
        crowd.line()
        held = memory(server)
        crowd.close()
        server.stop()
        return {"KiB/connection": (held - before) * 1024 / count, "before MiB": before, "with them MiB": held}

    def gateway():
        ground.write_config()
        return ground.gateway.start()

    group.notes.append(f"{count:,} connections, each answered once; what the kernel holds for them is not in it.")
    group.case(f"{count:,} connections", bench.interleave({
        OURS: lambda: fresh(gateway, "/livez"),
        "nginx": lambda: fresh(lambda: bench.nginx(files), "/v1/jobs/none"),
        "Hummingbird 2.28.1": lambda: fresh(lambda: bench.serve(
            "hummingbird", os.path.join(BUILD, "release", "hummingbird-peer"), path, os.path.join(bench.folder, "peer.db"), "none"),
            "/v1/jobs/none")}))
    return group
