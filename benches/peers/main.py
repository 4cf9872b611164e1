"""Runs all proxies in turn under the same loads and prints what each costs; see `run` beside this file."""

import argparse
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile

import loads
import peers
from processes import Failed

IDLE = 2_000


def arguments():
    parser = argparse.ArgumentParser(prog="benches/peers/run")
    parser.add_argument("seconds", nargs="?", type=int, default=5, help="of each run")
    parser.add_argument("runs", nargs="?", type=int, default=3, help="of each case and proxy; the median counts")
    parser.add_argument("tokens", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--smoke", action="store_true", help="one run of a second each, few tokens, no latencies")
    given = parser.parse_args()
    if given.smoke:
        given.seconds, given.runs, given.tokens = 1, 1, 1_000
    return given


def certificate(folder):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
        check=True, capture_output=True,
    )
    with open(f"{folder}/both.pem", "w") as both:
        for name in ("cert.pem", "key.pem"):
            with open(f"{folder}/{name}") as one:
                both.write(one.read())


def costs(running, given):
    """CPU µs for each request, requests a second and leakgate's own inspection µs, by case and peer; each run in turn."""
    cpu, rates, inspections = {}, {}, {}
    for _ in range(given.runs):
        for case in loads.CASES:
            for peer in running:
                key = case.letter, peer.name
                inspected = inspection(peer)
                before = peer.running.cpu()
                done, rate = case.load(peer, given.seconds)
                cpu.setdefault(key, []).append((peer.running.cpu() - before) / done * 1e6)
                rates.setdefault(key, []).append(rate)
                if peer.metrics:
                    seconds, count = (now - then for now, then in zip(inspection(peer), inspected))
                    inspections.setdefault(key, []).append(seconds / max(count, 1) * 1e6)
    return tuple({key: statistics.median(all) for key, all in of.items()} for of in (cpu, rates, inspections))


def inspection(peer):
    """Seconds spent inspecting so far, and requests inspected."""
    if not peer.metrics:
        return 0.0, 0.0
    return tuple(peers.sample(peer.metrics, f"leakgate_inspection_seconds_{end} ") for end in ("sum", "count"))


def idle(peer):
    """Bytes that each idle connection takes, after one request on it."""
    request = loads.CASES[0].lines[0].split(" ")
    fields = "".join(f"{name}: {value}\r\n" for name, value in loads.FIELDS.items())
    ask = f"GET {request[1]} HTTP/1.1\r\nHost: localhost\r\n{fields}Authorization: Bearer {request[3]}\r\n\r\n".encode()

    def opened():
        connection = socket.create_connection(("127.0.0.1", peer.http))
        connection.settimeout(20)
        connection.sendall(ask)
        answer = b""
        while not answer.endswith(b"x\n"):
            piece = connection.recv(65536)
            if not piece:
                raise Failed(f"{peer.name} closed a connection")
            answer += piece
        return connection

    warm = [opened() for _ in range(100)]
    before = peer.running.memory()
    connections = [opened() for _ in range(IDLE)]
    took = (peer.running.memory() - before) / IDLE
    for connection in warm + connections:
        connection.close()
    return took


def table(titles, rows):
    print("\n| " + " | ".join(titles) + " |\n| " + " | ".join("---" for _ in titles) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def report(running, given):
    # Before any load: what it leaves free in a proxy's memory would hide what connections take.
    bytes_idle = {} if given.smoke else {peer.name: idle(peer) for peer in running}
    cpu, rates, inspections = costs(running, given)
    memory = {peer.name: peer.running.memory() for peer in running}
    names = [peer.name for peer in running]
    titles = [f"{case.letter}: {case.title}" for case in loads.CASES]

    def with_ratio(letter, name):
        own = cpu[letter, name]
        base = cpu.get((letter, "nginx"))
        return f"{own:.1f}" + (f" ({own / base:.2f})" if base else "")

    print("\nCPU µs of the proxy for each request (divided by nginx's):")
    table(["proxy", *titles, "memory MB"], [
        [name, *(with_ratio(case.letter, name) for case in loads.CASES), f"{memory[name] / 1e6:.0f}"] for name in names
    ])
    print("\nRequests a second, all that the machine gives with load and upstream on it:")
    table(["proxy", *titles], [[name, *(f"{rates[case.letter, name]:,.0f}" for case in loads.CASES)] for name in names])
    if any(peer.metrics for peer in running):
        print("\nInspection itself, µs by the wall clock, so too much where other programs run (of the CPU time above):")
        table(["proxy", *titles], [
            [peer.name, *(
                f"{inspections[case.letter, peer.name]:.1f} "
                f"({inspections[case.letter, peer.name] / cpu[case.letter, peer.name] * 100:.0f} %)"
                for case in loads.CASES
            )]
            for peer in running if peer.metrics
        ])
    if given.smoke:
        return
    print("\nAt 70 % of the requests a second above, µs until the answer's end (h2load --rps): half, and 99 % within")
    rows = []
    for peer in running:
        row = [peer.name]
        for case in (loads.CASES[0], loads.CASES[3]):
            all = case.latencies(peer, given.seconds, rates[case.letter, peer.name] * 0.7)
            row.append(f"{all[len(all) // 2]:,}, {all[len(all) * 99 // 100]:,}")
        rows.append(row)
    table(["proxy", titles[0], titles[3]], rows)
    print(f"\nBytes that each of {IDLE:,} idle HTTP/1.1 connections took after one request on it, before any load:")
    table(["proxy", "bytes"], [[name, f"{took:,.0f}"] for name, took in bytes_idle.items()])


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    started = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            certificate(folder)
            for case in loads.CASES:
                case.prepare(folder)
            upstream, server = peers.upstream(folder)
            started.append(upstream)
            running = []
            for name in os.environ["PEERS"].split():
                peer = peers.STARTS[name](folder, server, given.tokens)
                started.append(peer.running)
                peer.running.wait_for(peer.http)
                peer.running.wait_for(peer.https)
                running.append(peer)
            print(f"{loads.CONNECTIONS} connections, {given.runs} run(s) of {given.seconds} s each, {given.tokens:,} tokens")
            report(running, given)
        except Failed as failure:
            sys.exit(str(failure))
        finally:
            for one in reversed(started):
                one.end()


main()
