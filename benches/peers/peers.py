"""The proxies, each with one worker, in front of one upstream, inspecting nothing (but leakgate)."""

import json
import os
import random
import shutil
import subprocess
import time
import urllib.request

from processes import Failed, Running, free_port


def write(folder, name, text):
    path = f"{folder}/{name}"
    with open(path, "w") as file:
        file.write(text)
    return path


def nginx_frame(folder, name, http):
    os.makedirs(f"{folder}/{name}-temporary", exist_ok=True)
    return write(folder, f"{name}.conf", f"""
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log {folder}/{name}-errors.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/{name}-temporary;
    proxy_temp_path {folder}/{name}-temporary;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_buffer_size 128k;
{http}
}}
""")


def upstream(folder):
    """Reads a request's whole body (that is what the mirror is for), then answers a kilobyte; keeps connections."""
    port = free_port()
    write(folder, "answer", "x" * 1023 + "\n")
    os.chmod(folder, 0o755)
    config = nginx_frame(folder, "upstream", f"""
    open_file_cache max=10;
    server {{
        listen 127.0.0.1:{port} reuseport backlog=4096;
        root {folder};
        location / {{ mirror /none; try_files /answer =404; error_page 405 =200 @post; }}
        location @post {{ return 200 "{'x' * 1023}\\n"; }}
        location = /none {{ internal; return 204; }}
    }}""")
    running = Running("upstream", ["nginx", "-c", config], folder)
    running.wait_for(port)
    return running, port


class Peer:
    """A proxy under way: where it takes HTTP/1.1, and HTTP/2 over TLS."""

    def __init__(self, name, running, http, https, metrics=None):
        self.name, self.running, self.http, self.https, self.metrics = name, running, http, https, metrics


def nginx(folder, server, _):
    http, https = free_port(), free_port()
    config = nginx_frame(folder, "nginx", f"""
    upstream app {{ server 127.0.0.1:{server}; keepalive 128; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{http} backlog=4096;
        listen 127.0.0.1:{https} ssl http2 backlog=4096;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
    }}""")
    return Peer("nginx", Running("nginx", ["nginx", "-c", config], folder), http, https)


def haproxy(folder, server, _):
    http, https = free_port(), free_port()
    config = write(folder, "haproxy.cfg", f"""
global
    nbthread 1
    maxconn 8000
defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 600s
    timeout server 60s
    timeout http-keep-alive 600s
frontend in
    bind 127.0.0.1:{http} backlog 4096
    bind 127.0.0.1:{https} backlog 4096 ssl crt {folder}/both.pem alpn h2,http/1.1
    default_backend app
backend app
    server one 127.0.0.1:{server}
""")
    return Peer("haproxy", Running("haproxy", ["haproxy", "-db", "-f", config], folder), http, https)


def envoy(folder, server, _):
    http, https = free_port(), free_port()

    def listener(name, port, tls):
        manager = {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "codec_type": "AUTO",
            "common_http_protocol_options": {"idle_timeout": "600s"},
            "route_config": {"virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}]},
            ]},
            "http_filters": [{
                "name": "router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }],
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        if tls:
            chain["transport_socket"] = {"name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_certificates": [{
                        "certificate_chain": {"filename": f"{folder}/cert.pem"},
                        "private_key": {"filename": f"{folder}/key.pem"},
                    }],
                },
            }}
        address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        return {"name": name, "address": address, "filter_chains": [chain]}

    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": server}}}}
    config = {"static_resources": {
        "listeners": [listener("http", http, False), listener("https", https, True)],
        "clusters": [{
            "name": "app", "type": "STATIC", "connect_timeout": "5s",
            "circuit_breakers": {"thresholds": [
                {"max_connections": 20000, "max_pending_requests": 20000, "max_requests": 20000},
            ]},
            "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [endpoint]}]},
        }],
    }}
    path = write(folder, "envoy.json", json.dumps(config))
    command = ["envoy", "-c", path, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return Peer("envoy", Running("envoy", command, folder), http, https)


def caddy(folder, server, _):
    http, https = free_port(), free_port()
    config = write(folder, "Caddyfile", f"""
{{
    admin off
    auto_https off
    servers {{
        protocols h1 h2
    }}
}}
http://:{http} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{server}
}}
https://:{https} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    reverse_proxy 127.0.0.1:{server}
}}
""")
    command = ["caddy", "run", "--config", config, "--adapter", "caddyfile"]
    environment = {"GOMAXPROCS": "1", "XDG_CONFIG_HOME": folder, "XDG_DATA_HOME": folder}
    return Peer("caddy", Running("caddy", command, folder, environment), http, https)


def write_tokens(path, count):
    """Tokens of common looks, the same for each run."""
    chance = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    looks = [("ghp_", 36), ("sk_live_", 24), ("glpat-", 20), ("xoxb-", 48), ("", 40), ("AKIA", 36)]
    with open(path, "w") as file:
        for number in range(count):
            prefix, length = looks[number % len(looks)]
            file.write(prefix + "".join(chance.choices(letters, k=length)) + "\n")


def leakgate_with(name, mode, folder, server, tokens):
    home = f"{folder}/{name}"
    http, https, control = free_port(), free_port(), free_port()
    binary = os.environ["LEAKGATE_BINARY"]
    kept = os.environ.get("KEPT_STORE", f"{folder}/store")
    if os.path.exists(kept):
        shutil.copytree(kept, home)
    else:
        os.makedirs(home)
    write(home, "leakgate.toml", f"""
[gateway]
listen = ["127.0.0.1:{http}", "tls://127.0.0.1:{https}"]
workers = 1
mode = "{mode}"
timeouts.keep_alive = "10m"
[[gateway.tls.certificates]]
cert = "{folder}/cert.pem"
key = "{folder}/key.pem"
[[gateway.upstreams]]
name = "app"
servers = ["http://127.0.0.1:{server}"]
[control]
listen = "127.0.0.1:{control}"
[events]
stdout = false
[log]
filter = "warn"
""")
    secret = "lgt_" + "b" * 43
    own = {"LEAKGATE_ADMIN_TOKEN": secret, "LEAKGATE_ADMIN_PASSWORD": "a password of the bench"}

    def start():
        running = Running(name, [os.path.abspath(binary), "serve"], home, own)
        running.wait_for(control)
        running.wait_for(http)
        return running

    metrics = f"http://127.0.0.1:{control}/metrics"
    running = start()
    if not os.path.exists(kept):
        try:
            write_tokens(f"{folder}/tokens.txt", tokens)
            began = time.monotonic()
            said = subprocess.run(
                [binary, "import", f"{folder}/tokens.txt", "--format", "list", "--title", "bench", "--decision", "block"],
                env={**os.environ, "LEAKGATE_URL": f"http://127.0.0.1:{control}", "LEAKGATE_TOKEN": secret},
                capture_output=True, text=True,
            )
            if said.returncode:
                raise Failed(f"import: {said.stdout}{said.stderr}")
            print(f"{tokens} tokens imported in {time.monotonic() - began:.0f} s", flush=True)
        finally:
            # What importing has left in its memory is no part of the comparison.
            running.end()
        shutil.copytree(home, kept, ignore=shutil.ignore_patterns("*.lock", "*.log"))
        began = time.monotonic()
        running = start()
        wait_until_enforced(metrics, tokens)
        print(f"started with them in {time.monotonic() - began:.1f} s", flush=True)
    try:
        wait_until_enforced(metrics, tokens)
    except BaseException:
        running.end()
        raise
    return Peer(name, running, http, https, metrics)


def wait_until_enforced(metrics, tokens):
    deadline = time.monotonic() + 120
    while sample(metrics, "leakgate_patchset_tokens ") < tokens:
        if time.monotonic() > deadline:
            raise Failed(f"only {sample(metrics, 'leakgate_patchset_tokens '):.0f} of {tokens} tokens are enforced")
        time.sleep(0.1)


def sample(metrics, name):
    with urllib.request.urlopen(metrics) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name):
                return float(line.split()[-1])
    return 0.0


STARTS = {
    "nginx": nginx,
    "haproxy": haproxy,
    "envoy": envoy,
    "caddy": caddy,
    "leakgate": lambda *given: leakgate_with("leakgate", "block", *given),
    "leakgate-off": lambda *given: leakgate_with("leakgate-off", "off", *given),
}
