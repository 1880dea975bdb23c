"""Runs the checkers and compares what they say with README.md, whose tables are what is expected.

    conform.py BINARIES PLACE [server] [client] [tls]

A verdict that README.md does not list fails the run, and so does one that it lists and that did not come, or another number of
Autobahn's cases.
"""
from __future__ import annotations

import asyncio
import fnmatch
import json
import logging
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

import forward

README = pathlib.Path(__file__).resolve().parent / "README.md"
# What the relay itself takes of a message after log-in, and the largest that a checker sends.
SESSION_BYTES_MAX, CHECKER_BYTES_MAX = 263_168, 16 * 1024 * 1024
REPORT_WITHIN_SECONDS = 30
Verdicts = dict[str, str]


def expected(name: str) -> Verdicts:
    """The rows of a table of README.md: the ids of the first cell (`12.*` for all of a group), with the verdict of the
    second."""
    table = README.read_text("utf-8").split(f"<!-- expected: {name} -->\n")[1].split("<!-- end -->")[0]
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()[2:]]
    return {id.strip(" `"): verdict.strip("`") for ids, verdict, *_ in rows for id in ids.split(",")}


class Checks:
    def __init__(self) -> None:
        self.wrong = 0
        self.ran: list[str] = []

    def compare(self, name: str, found: Verdicts, sound: str) -> None:
        """`found` are the verdicts that are not sound."""
        listed = expected(name)
        self.ran.append(f"{name}: {sound}, {len(found)} not")
        for pattern in [id for id in listed if "*" in id]:
            verdict = listed.pop(pattern)
            listed |= dict.fromkeys(fnmatch.filter(found, pattern) or [pattern], verdict)
        for id in sorted(found.keys() | listed.keys()):
            is_so, should = found.get(id, "nothing"), listed.get(id, "nothing")
            if is_so != should:
                self.wrong += 1
                print(f"{name}: {id} is {is_so}, and README.md says {should}")


    def count(self, name: str, cases: int) -> None:
        """A checker that ended early has few verdicts to be wrong in."""
        if str(cases) != (should := expected("cases")[name]):
            self.wrong += 1
            print(f"{name}: {cases} cases were run, and README.md says {should}")


class Programs:
    """Ours and theirs, each stopped by the handle that it was started with."""

    def __init__(self, place: pathlib.Path) -> None:
        self.place = place
        self.running: list[asyncio.subprocess.Process] = []

    async def start(self, log: str, *command: object, stdout: int | None = None) -> asyncio.subprocess.Process:
        with open(self.place / f"{log}.log", "wb") as out:
            process = await asyncio.create_subprocess_exec(*map(str, command), stdout=stdout or out, stderr=out,
                                                           cwd=self.place)
        self.running.append(process)
        return process

    async def run(self, log: str, *command: object) -> tuple[int, str]:
        process = await self.start(log, *command)
        await process.wait()
        return process.returncode, (self.place / f"{log}.log").read_text("utf-8", "replace")

    async def stop(self) -> None:
        for process in self.running:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await process.wait()


class Conformance:
    def __init__(self, binaries: pathlib.Path, place: pathlib.Path) -> None:
        self.binaries, self.place = binaries, place
        self.tools = place / "venv" / "bin"
        self.trial = place / "trial"
        self.programs, self.checks = Programs(place), Checks()

    def prepare(self) -> None:
        """A deployment for trial: its authority is the test CA of everything here."""
        for old in ("trial", "reports"):
            shutil.rmtree(self.place / old, ignore_errors=True)
        subprocess.run([self.binaries / "vigie", "init", self.trial], check=True, stdout=subprocess.DEVNULL)

    def autobahn(self, name: str, report: pathlib.Path) -> None:
        """Holds a report of kosoku against the table of this name: all that is not plainly OK is listed there."""
        (cases,) = json.loads((report / "index.json").read_text("utf-8")).values()
        verdicts = {id: case["behavior"] if case["behavior"] != "OK" else case["behaviorClose"]
                    for id, case in cases.items()}
        found = {id: verdict for id, verdict in verdicts.items() if verdict != "OK"}
        self.checks.count(name, len(cases))
        self.checks.compare(name, found, f"{len(cases) - len(found)} of {len(cases)} cases OK")

    async def server(self) -> None:
        """The layers of the relay, by its echo: Autobahn's client cases."""
        await self.server_with("server", SESSION_BYTES_MAX, "-x", "9.*", "-x", "12.*", "-x", "13.*")
        await self.server_with("server-large", CHECKER_BYTES_MAX, "-i", "9.*")
        await self.server_with("server-compression", SESSION_BYTES_MAX, "-i", "12.*", "-i", "13.*")

    async def server_with(self, name: str, message_bytes_max: int, *cases: str) -> None:
        relay = self.trial / "relay"
        echo = await self.programs.start(f"{name}.echo", self.binaries / "echo-server", relay / "tls.pem",
                                         relay / "tls.key.pem", message_bytes_max, stdout=asyncio.subprocess.PIPE)
        port = int(await echo.stdout.readline())
        _listener, port = await forward.to_relay(port, self.trial / "tls" / "ca.pem")
        report = self.place / "reports" / name
        await self.programs.run(f"{name}.kosoku", self.tools / "kosoku", f"ws://127.0.0.1:{port}/", *cases, "-o", report)
        self.autobahn(name, report)

    async def client(self) -> None:
        """The line of the SDK, by its echo: Autobahn's server cases."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        report, relay = self.place / "reports" / "client", self.trial / "relay"
        left_out = [argument for one in ("9.2.*", "9.3.*", "9.4.*", "9.5.*", "9.6.*", "9.8.*", "9.1.3", "9.1.4", "9.1.5",
                                         "9.1.6", "12.*", "13.*") for argument in ("-x", one)]
        await self.programs.start("client.kosoku", self.tools / "kosoku", "-m", "fuzzingserver", f"127.0.0.1:{port}",
                                  *left_out, "-o", report)
        cases = await forward.asked(port, "/getCaseCount")
        _listener, ours = await forward.to_checker(port, relay / "tls.pem", relay / "tls.key.pem")
        await self.programs.run("client.echo", self.binaries / "echo-client", f"wss://localhost:{ours}",
                                self.trial / "tls" / "ca.pem", int(cases))
        await forward.asked(port, "/updateReports?agent=vigie")
        # Written when all is said.
        await asyncio.wait_for(self.written(report), REPORT_WITHIN_SECONDS)
        self.autobahn("client", report)

    async def written(self, report: pathlib.Path) -> None:
        while not (report / "index.json").exists():
            await asyncio.sleep(0.1)

    async def tls(self) -> None:
        """The listener of a real relay: three checkers of TLS."""
        await self.programs.start("relay", self.binaries / "vigie", "relay", "run", "--config", self.trial / "vigie.toml",
                                  "--listen", "127.0.0.1:0")
        while (ready := re.search(r"127\.0\.0\.1:(\d+)", (self.place / "relay.log").read_text("utf-8"))) is None:
            await asyncio.sleep(0.1)
        authority, at = self.trial / "tls" / "ca.pem", f"localhost:{ready[1]}"
        code, said = await self.programs.run("sslyze", self.tools / "sslyze", "--mozilla_config", "modern",
                                             "--certinfo_ca_file", authority, at)
        reasons = dict(re.findall(r"^ +\* (\w+): (.*)$", said.partition("COMPLIANCE AGAINST")[2], re.MULTILINE))
        assert (code == 0) == (not reasons) and "Mozilla's \"modern\"" in said, said
        self.checks.compare("sslyze", dict.fromkeys(reasons, "FAILED"), "Mozilla's modern")
        if shutil.which("sslscan"):
            _, said = await self.programs.run("sslscan", "sslscan", "--no-colour", f"127.0.0.1:{ready[1]}")
            self.checks.compare("sslscan", offered(said), "protocols, ciphers and groups read")
        if shutil.which("testssl"):
            (out := self.place / "testssl.json").unlink(missing_ok=True)
            await self.programs.run("testssl", "testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none",
                                    "--ip", "127.0.0.1", "--add-ca", authority, "--jsonfile", out, f"https://{at}")
            lines = json.loads(out.read_text("utf-8"))
            found = {line["id"]: line["severity"] for line in lines if line["severity"] not in ("OK", "INFO")}
            self.checks.compare("testssl", found, f"{len(lines) - len(found)} of {len(lines)} findings OK or for information")

    async def run(self, parts: list[str]) -> int:
        self.prepare()
        try:
            for part in parts:
                await getattr(self, part)()
        finally:
            await self.programs.stop()
        print("\n".join(self.checks.ran))
        if "tls" in parts and not (shutil.which("sslscan") and shutil.which("testssl")):
            print("not run: sslscan or testssl, which are not installed here")
        print(f"{self.checks.wrong} verdicts that are not as README.md says")
        return 1 if self.checks.wrong else 0


def offered(said: str) -> Verdicts:
    """What sslscan found enabled."""
    protocols = re.findall(r"^((?:SSL|TLS)v[\d.]+) +enabled$", said, re.MULTILINE)
    ciphers = re.findall(r"^(?:Preferred|Accepted) +TLS\S+ +\d+ bits +(\S+)", said, re.MULTILINE)
    groups = re.findall(r"^TLSv1\.3 +\d+ bits +(\w+)", said, re.MULTILINE)
    return dict.fromkeys([*protocols, *ciphers, *groups], "offered")


def main() -> int:
    binaries, place = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
    parts = sys.argv[3:] or ["server", "client", "tls"]
    if unknown := set(parts) - {"server", "client", "tls"}:
        raise SystemExit(f"there is no {', '.join(unknown)}: server, client, tls")
    # Lines that are still open at the end are of no interest.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    return asyncio.run(Conformance(binaries, place).run(parts))


if __name__ == "__main__":
    sys.exit(main())
