"""Processes under way: what they have used, what they hold, and their end."""

import os
import re
import signal
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """What went wrong, in words for whoever runs this."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Running:
    """A program with all of its processes, in a session of its own."""

    def __init__(self, name, command, folder, environment=None):
        self.name = name
        self.log = f"{folder}/{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env={**os.environ, **(environment or {})},
            )

    def processes(self):
        """Its process ids: all of its session."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as stat:
                        session = stat.read().rsplit(")", 1)[1].split()[3]
                except OSError:
                    continue
                if int(session) == self.process.pid:
                    found.append(int(entry))
        return found

    def cpu(self):
        """Seconds of CPU time so far, of all its processes."""
        ticks = 0
        for pid in self.processes():
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def memory(self):
        """Bytes resident; what several of its processes share counts once."""
        total = 0
        for pid in self.processes():
            with open(f"/proc/{pid}/smaps_rollup") as rollup:
                total += int(re.search(r"Pss:\s+(\d+)", rollup.read()).group(1)) * 1024
        return total

    def wait_for(self, port):
        """Until it listens."""
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    with open(self.log, errors="replace") as log:
                        raise Failed(f"{self.name} does not listen:\n{log.read()[-2000:]}")
                time.sleep(0.05)

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
