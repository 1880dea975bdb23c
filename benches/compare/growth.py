#!/usr/bin/env python3
"""How costs grow: CPU of a delivery and memory with the readers, CPU of a publish with the channels known.

    cargo build --release -p vigie-relay -p vigie-benches --bins
    python3 benches/compare/growth.py                        some minutes; two cores that nobody else uses
    python3 benches/compare/growth.py --draw                 only draws `growth.csv` anew

Writes `growth.csv`, `delivery.svg`, `memory.svg` and `publish.svg` into the folder of results. The same servers, load
generator and method as `compare.py`, one short run for each number of readers; what one relay can carry by these figures
computes `capacity.py`.
"""

import argparse
import csv
import pathlib
import subprocess
import sys
import tempfile

import cases
import compare
import plot
import servers

RESULTS = pathlib.Path(__file__).resolve().parent.parent / "results"
READERS = (10, 30, 100, 300, 1_000, 3_000, 10_000)
CHANNELS = (1_000, 10_000, 100_000, 1_000_000)
FIGURES = ("saturated CPU per delivery", "paced CPU per delivery", "CPU per connection, all included",
           "memory per idle reader")
FIELDS = ("figure", "server", "of", "value", "unit")


def main():
    options = parse()
    servers.FIRST, compare.REPEATS = options.niceness, options.repeats
    results = pathlib.Path(options.results)
    results.mkdir(parents=True, exist_ok=True)
    if not options.draw:
        compare.raise_files()
        folder = pathlib.Path(options.folder).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        tools = servers.Tools(options.built, folder, options.cores)
        rows = by_channels(tools)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            for readers in READERS:
                rows += by_readers(tools, readers, pathlib.Path(scratch))
        write(results / "growth.csv", rows, compare.machine(tools, options)[:4])
    draw(results)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--built", default="target/release", help="the folder of the programs")
    parser.add_argument("--folder", default="target/compare", help="for journals; on a real disk")
    parser.add_argument("--results", default=RESULTS, help="for what is written")
    parser.add_argument("--cores", type=lambda text: tuple(map(int, text.split(","))), default=(0, 1),
                        help="of the server and of the load generator")
    parser.add_argument("--niceness", type=int, default=servers.FIRST, help="of both sides, where root may say so")
    parser.add_argument("--repeats", type=int, default=compare.REPEATS, help="where the load generator was late")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    return parser.parse_args()


def by_readers(tools, readers, scratch):
    """A window as in the cases of the comparison: the more readers, the fewer messages under way."""
    case = cases.fan_out(readers, 64 if readers <= 300 else 32 if readers <= 1_000 else 16)
    measured = [entry for server in (servers.Floor, servers.Vigie)
                for entry in compare.measure(tools, case, server, 0, scratch, True)]
    return [dict(zip(FIELDS, (entry["figure"], entry["server"], readers, entry["value"], entry["unit"])))
            for entry in measured if entry["figure"] in FIGURES]


def by_channels(tools):
    """In one process, without sockets and disk: a publish that one reader hears, among so many channels with readers."""
    rows = []
    for channels in CHANNELS:
        command = list(map(str, [tools.built / "growth", channels]))
        done = subprocess.run(command, capture_output=True, text=True, check=True, **servers.pinned(tools.server_core))
        dispatch, whole = map(float, done.stdout.split())
        print(f"{channels} channels: dispatch {dispatch:.2f} µs, whole {whole:.2f} µs", file=sys.stderr)
        rows.append(dict(zip(FIELDS, ("CPU of a dispatch", "vigie", channels, dispatch, "µs"))))
        rows.append(dict(zip(FIELDS, ("CPU of a publish but for the disk", "vigie", channels, whole, "µs"))))
    return rows


def write(path, rows, machine):
    with open(path, "w", newline="") as file:
        file.writelines(f"# {line}\n" for line in machine)
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def line(rows, figure, server, value=lambda of, value: value):
    """The points of one figure of one server."""
    found = [(float(row["of"]), float(row["value"])) for row in rows
             if (row["figure"], row["server"]) == (figure, server)]
    return [(of, value(of, each)) for of, each in sorted(found)]


def draw(results):
    rows = read(results / "growth.csv")
    plot.write(results / "delivery.svg", "CPU of a delivery", "readers of one channel", "µs", {
        f"{server}, {phase}": line(rows, f"{phase} CPU per delivery", server)
        for phase in ("paced", "saturated") for server in ("vigie", "floor")
    })
    plot.write(results / "memory.svg", "Memory of idle sessions", "sessions", "MiB", {
        server: line(rows, "memory per idle reader", server, lambda sessions, kib: max(sessions * kib / 1_024, 0.01))
        for server in ("vigie", "floor")
    })
    plot.write(results / "publish.svg", "CPU of a publish that one reader hears", "channels known", "µs", {
        "frame, signature, chain and dispatch": line(rows, "CPU of a publish but for the disk", "vigie"),
        "dispatch: table, outbox, batch": line(rows, "CPU of a dispatch", "vigie"),
    })


if __name__ == "__main__":
    main()
