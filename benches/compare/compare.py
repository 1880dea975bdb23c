#!/usr/bin/env python3
"""Compares Vigie with the floor and with what users would pick instead.

    cargo build --release -p vigie-relay -p vigie-benches --bins
    python3 benches/compare/compare.py --quick          one run of each case, some minutes
    python3 benches/compare/compare.py                  five runs, interleaved
    python3 benches/compare/compare.py --case fan100 --only floor,vigie

Each server is started fresh on one core, the load generator on the other. In every run all servers are measured in turn,
so that a slow minute of the machine falls on all of them. Writes `figures.csv` (every figure of every run), `results.md`
(medians, spread and ratios), drawings and the logs into the folder of results. Method and what is not measured: benches/README.md.
"""

import argparse
import csv
import datetime
import json
import pathlib
import platform
import resource
import shutil
import subprocess
import sys
import tempfile

import cases
import draw
import report
from servers import Tools, Unavailable, pinned

# A case that takes longer hangs.
CASE_SECONDS = 300
# A load generator that publishes later than this has lost its core to something else: what it then sends at once a server
# may batch. Such a measurement is repeated, this often at most.
LATE_US_MAX = 2_000
REPEATS = 2
# Connections of the largest case, twice, and some.
FILES_WANTED = 20_000

# Options that name a place of one machine: its results are told without.
FOLDERS = ("--built", "--folder", "--results")


def main():
    options = parse()
    raise_files()
    folder = pathlib.Path(options.folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    tools = Tools(options.built, folder, options.cores)
    for name, why in tools.unavailable.items():
        print(f"skipped: {name}: {why}", file=sys.stderr)
    chosen = [case for case in cases.CASES if not options.case or case.name in options.case]
    figures = []
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for run in range(1 if options.quick else options.runs):
            figures += measure_costs(tools, pathlib.Path(scratch), run)
            for case in chosen:
                for server in case.servers:
                    if not options.only or server.kind in options.only:
                        figures += measure(tools, case, server, run, pathlib.Path(scratch), options.quick)
                write(folder, tools, figures, chosen, options)
    print((folder / "results.md").read_text())


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [case.name for case in cases.CASES]
    parser.add_argument("--quick", action="store_true", help="one short run of each case")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--case", action="append", choices=names, help="only this one; may be given again")
    parser.add_argument("--only", type=lambda text: text.split(","), help="only these servers, with commas between")
    parser.add_argument("--built", default="target/release", help="the folder of the programs")
    parser.add_argument("--folder", default="target/compare", help="for results, journals and peers; on a real disk")
    parser.add_argument("--cores", type=lambda text: tuple(map(int, text.split(","))), default=(0, 1),
                        help="of the server and of the load generator")
    return parser.parse_args()


def raise_files():
    """Both sides keep a socket for each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def load(tools, arguments):
    """Runs the load generator on its core; gives its report, or raises what it said."""
    command = list(map(str, [tools.load, *arguments]))
    done = subprocess.run(command, capture_output=True, text=True, timeout=CASE_SECONDS, check=False,
                          **pinned(tools.load_core))
    if done.returncode != 0:
        raise Unavailable(done.stderr.strip()[-500:])
    return json.loads(done.stdout)


def measure_costs(tools, scratch, run):
    folder = scratch / "costs"
    shutil.rmtree(folder, ignore_errors=True)
    tools.make_trust(folder, 0, "")
    told = load(tools, ["costs", "--trust", folder, "--folder", folder])
    return [row(run, "costs", "", name, "µs", value) for name, value in told.items()]


def measure(tools, case, server_type, run, scratch, quick):
    if getattr(tools, server_type.kind, None) is None:
        return []
    folder = scratch / "server"
    for _ in range(REPEATS + 1):
        told = attempt(tools, case, server_type(tools), run, folder, quick)
        late = ((told or {}).get("paced") or {}).get("late") or {"p99": 0}
        if late["p99"] <= LATE_US_MAX:
            break
        print(f"run {run}, {case.name}, {server_type.name}: the load generator was late by {late['p99']:,.0f} µs",
              file=sys.stderr)
    if told is None:
        return [row(run, case.name, server_type.name, "failed", "", 1)]
    figures = []
    for name, unit, path in case.figures:
        value = told
        for key in path:
            value = value[key]
        figures.append(row(run, case.name, server_type.name, name, unit, value))
    shown = ", ".join(f"{entry['figure']} {entry['value']:.6g}" for entry in figures[:4])
    print(f"run {run}, {case.name}, {server_type.name}: {shown}", file=sys.stderr)
    return figures


def attempt(tools, case, server, run, folder, quick):
    """One measurement of a fresh server; `None` when it failed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    arguments = list(case.quick if quick else case.arguments)
    try:
        with server.running(folder) as (port, pid):
            return load(tools, [*arguments, "--peer", server.kind, "--address", f"127.0.0.1:{port}",
                                "--pid", pid, *server.load_arguments(folder)])
    except (Unavailable, subprocess.TimeoutExpired) as error:
        print(f"run {run}, {case.name}, {server.name}: {error}", file=sys.stderr)
        return None


def row(run, case, server, name, unit, value):
    return {"run": run, "case": case, "server": server, "figure": name, "unit": unit, "value": float(value)}


def write(folder, tools, figures, chosen, options):
    with open(folder / "figures.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["run", "case", "server", "figure", "unit", "value"])
        writer.writeheader()
        writer.writerows(figures)
    draw.draw(folder, figures)
    (folder / "results.md").write_text(report.render(figures, chosen, machine(tools, options)))


def called():
    """The command, but for the folders of this machine."""
    words, kept = iter(sys.argv[1:]), []
    for word in words:
        if word in FOLDERS:
            next(words, None)
        else:
            kept.append(word)
    return " ".join(["python3", f"benches/compare/{pathlib.Path(sys.argv[0]).name}", *kept])


def machine(tools, options):
    def told(*command):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    versions = "; ".join(f"{name}: {line}" for name, line in tools.versions().items())
    skipped = "; ".join(f"{name}: {why}" for name, why in tools.unavailable.items())
    return [
        f"{datetime.date.today()}, commit {told('git', 'rev-parse', '--short', 'HEAD')}",
        f"`{called()}`",
        f"{model}, Linux {'.'.join(platform.release().split('.')[:2])}; server on core {options.cores[0]}, load generator on core {options.cores[1]}",
        f"load average at the end: {open('/proc/loadavg').read().split(' ')[0]}",
        versions,
        *([f"skipped: {skipped}"] if skipped else []),
    ]


if __name__ == "__main__":
    main()
