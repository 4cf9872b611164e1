"""The load: requests that APIs get, a few hundred different ones of each kind, so that no cache flatters a proxy."""

import json
import random
import re
import subprocess

from processes import Failed

CONNECTIONS = 64
DIFFERENT = 256
FIELDS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36",
    "Accept": "application/json, text/plain, */*",
    "Accept-Language": "en-US,en;q=0.9",
    "Accept-Encoding": "gzip, deflate, br",
    "Referer": "https://app.example.com/orders",
    "Origin": "https://app.example.com",
    "Cache-Control": "no-cache",
    "Sec-Fetch-Mode": "cors",
}
# Each connection sends all of them in turn. `wrk` measures requests a second, `done` prints what it has counted.
SCRIPT = """
local requests, at = {}, 0
function init()
  for line in io.lines("%s") do
    local method, path, cookie, credential, body = line:match("^(%%S+) (%%S+) (%%S+) (%%S+) ?(.*)$")
    local fields = { %s ["Cookie"] = cookie, ["Authorization"] = "Bearer " .. credential, ["X-Request-Id"] = cookie }
    if method == "POST" then fields["Content-Type"] = "application/json" end
    requests[#requests + 1] = wrk.format(method, path, fields, method == "POST" and body or nil)
  end
end
function request()
  at = at %% #requests + 1
  return requests[at]
end
function done(summary)
  local errors = summary.errors
  print(string.format("counted %%d %%d %%d", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


def word(chance, length):
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))


def body(chance, size):
    items = []
    length = 20
    while length < size - 200:
        item = {
            "id": chance.randrange(10**9), "sku": word(chance, 12), "price": chance.randrange(10**5) / 100,
            "name": f"{word(chance, 8)} {word(chance, 5)}", "note": "Leave at the door, please.", "paid": True,
        }
        items.append(item)
        length += len(json.dumps(item)) + 2
    return json.dumps({"items": items, "rest": "."* (size - length - 20)})


def line(chance, method, size):
    path = f"/v1/orders/{chance.randrange(10**6)}?page={chance.randrange(99)}&sort=-created&trace={word(chance, 16)}"
    start = f"{method} {path} session={word(chance, 24)} {word(chance, 40)}"
    return f"{start} {body(chance, size)}" if size else start


class Case:
    def __init__(self, letter, title, method, size):
        self.letter, self.title, self.method, self.size = letter, title, method, size

    def prepare(self, folder):
        chance = random.Random(self.letter)
        self.lines = [line(chance, self.method, self.size) for _ in range(DIFFERENT)]
        self.file = f"{folder}/{self.letter}.requests"
        with open(self.file, "w") as file:
            file.write("\n".join(self.lines) + "\n")
        self.script = f"{folder}/{self.letter}.lua"
        fields = "".join(f'["{name}"] = "{value}",' for name, value in FIELDS.items())
        with open(self.script, "w") as file:
            file.write(SCRIPT % (self.file, fields))
        # h2load takes one set of fields, and all paths.
        _, _, cookie, credential = self.lines[0].split(" ")[:4]
        self.fields = [f"-H{name}: {value}" for name, value in FIELDS.items()]
        self.fields += [f"-HCookie: {cookie}", f"-HAuthorization: Bearer {credential}", f"-HX-Request-Id: {cookie}"]

    def load(self, peer, seconds):
        """Requests done, and those a second. Another proxy whose requests failed (as where it was given a connection
        that its server had just closed) has one more run; leakgate has not."""
        try:
            return self.load_once(peer, seconds)
        except Failed as failed:
            if peer.metrics:
                raise
            print(f"{failed}\nOnce more:", flush=True)
            return self.load_once(peer, seconds)

    def load_once(self, peer, seconds):
        if self.letter == "D":
            said = self.h2load(f"https://127.0.0.1:{peer.https}", ["-D", str(seconds)])
            done = int(re.search(r"(\d+) succeeded", said).group(1))
            return check(peer, said, done, failures(said)), done / seconds
        said = run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", self.script,
                    f"http://127.0.0.1:{peer.http}"])
        done, microseconds, failed = map(int, re.search(r"counted (\d+) (\d+) (\d+)", said).groups())
        return check(peer, said, done, failed), done / (microseconds / 1e6)

    def latencies(self, peer, seconds, rate):
        """Sorted microseconds of requests that begin at this rate, evenly on all connections."""
        log = f"{self.file}.{peer.name}.latencies"
        open(log, "w").close()
        pace = ["-D", str(seconds), f"--rps={rate / CONNECTIONS:.2f}", f"--log-file={log}"]
        if self.letter == "D":
            self.h2load(f"https://127.0.0.1:{peer.https}", pace)
        else:
            self.h2load(f"http://127.0.0.1:{peer.http}", ["--h1", *pace])
        with open(log) as rows:
            return sorted(int(row.split()[2]) for row in rows)

    def h2load(self, base, more):
        paths = f"{self.file}.paths"
        with open(paths, "w") as file:
            file.writelines(f"{base}{line.split(' ')[1]}\n" for line in self.lines)
        return run(["h2load", f"-c{CONNECTIONS}", "-t1", *more, "-i", paths, *self.fields])


def failures(said):
    return sum(map(int, re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", said).groups()))


def check(peer, said, done, failed):
    if failed or not done:
        raise Failed(f"{peer.name}: {failed} requests failed, {done} done:\n{said}")
    return done


def run(command):
    said = subprocess.run(command, capture_output=True, text=True)
    if said.returncode:
        raise Failed(f"{' '.join(command[:3])}: {said.stdout}{said.stderr}")
    return said.stdout


CASES = [
    Case("A", "GET, 12 fields", "GET", 0),
    Case("B", "POST 2 KB JSON", "POST", 2_048),
    Case("C", "POST 64 KB JSON", "POST", 64_000),
    Case("D", "h2 over TLS, GET", "GET", 0),
]
