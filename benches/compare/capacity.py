#!/usr/bin/env python3
"""How many readers a relay carries, and what a tree of relays needs for ten million: arithmetic on `growth.csv`.

    python3 benches/compare/capacity.py                 the tables of benches/README.md
    python3 benches/compare/capacity.py --alerts 1 --back-within 60

Nothing is measured here. What is assumed stands in the options, each with its reason; the figures are those of the largest
number of readers that was measured, on one core.
"""

import argparse
import math
import pathlib

import growth

CORES = (2, 8, 32)


def main():
    options = parse()
    rows = growth.read(pathlib.Path(options.results) / "growth.csv")
    figures = Figures(rows)
    print(f"Measured with {figures.readers:,} readers: {figures.paced:.2f} µs of CPU for a delivery alone, "
          f"{figures.saturated:.2f} µs where writes are shared; {figures.connect:.0f} µs for a log-in with its "
          f"subscription; {figures.memory:.1f} KiB of memory for an idle session.\n")
    print("| cores | by CPU | by a return of all | by memory | by bandwidth | readers | bound by |")
    print("|---|---|---|---|---|---|---|")
    for cores in CORES:
        bounds = carries(figures, options, cores)
        name, readers = min(bounds.items(), key=lambda bound: bound[1])
        cells = [count(bounds[name]) for name in ("CPU", "return", "memory", "bandwidth")]
        print(f"| {cores} | {' | '.join(cells)} | **{count(readers)}** | {name} |")
    print(f"\n| for {options.readers:,} readers | leaves | relays above them | relays in all | "
          "ms of CPU from the root to the last write |")
    print("|---|---|---|---|---|")
    for cores in CORES:
        each = min(carries(figures, options, cores).values()) * (1 - options.spare)
        leaves = math.ceil(options.readers / each)
        above = levels(leaves, options.children)
        told = " + ".join(map(str, above)) or "0"
        # Each level: what it does for its children, one after another on one of its cores; a lone alert is a write for each.
        per_core = [math.ceil(options.children / cores)] * len(above) + [math.ceil(each / cores)]
        last = sum(readers * figures.paced / 1e3 for readers in per_core)
        print(f"| of {cores} cores | {leaves:,} | {told} | {leaves + sum(above):,} | {last:.0f} |")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default=growth.RESULTS, help="where `growth.csv` is")
    parser.add_argument("--readers", type=int, default=10_000_000)
    parser.add_argument("--alerts", type=float, default=1.0, help="a second that each reader hears, while it is worst")
    parser.add_argument("--frame-bytes", type=int, default=1_024 + 66 + 22, help="of an alert, with TCP/IP and TLS")
    parser.add_argument("--busy", type=float, default=0.5, help="share of its cores that a relay may use in that minute")
    parser.add_argument("--back-within", type=float, default=30.0, help="seconds, after a relay that fails")
    parser.add_argument("--memory-gib", type=float, default=2.0, help="for each core, as machines are rented")
    parser.add_argument("--session-kib", type=float, default=24.0,
                        help="of memory in the kernel for a socket, beside what the relay has; some of it while it writes")
    parser.add_argument("--gbit", type=float, default=1.0, help="a second for each relay of up to 8 cores; 10 for more")
    parser.add_argument("--children", type=int, default=200, help="relays that hear one above them")
    parser.add_argument("--spare", type=float, default=0.5,
                        help="share that stays free: the readers of the relay beside it, when that fails")
    return parser.parse_args()


class Figures:
    """Of Vigie, with the most readers that were measured."""

    def __init__(self, rows):
        def last(name):
            return growth.line(rows, name, "vigie")[-1]

        self.readers, self.saturated = map(float, last("saturated CPU per delivery"))
        self.readers = int(self.readers)
        self.paced = last("paced CPU per delivery")[1]
        self.connect = last("CPU per connection, all included")[1]
        self.memory = last("memory per idle reader")[1]


def carries(figures, options, cores):
    """Readers of one relay, by each of what bounds them."""
    cpu_us = cores * 1e6 * options.busy
    gbit = options.gbit if cores <= 8 else 10 * options.gbit
    return {
        # The dearer figure: each delivery has a write of its own.
        "CPU": cpu_us / (options.alerts * figures.paced),
        "return": cpu_us * options.back_within / figures.connect,
        "memory": cores * options.memory_gib * 2**20 / (figures.memory + options.session_kib),
        "bandwidth": gbit * 1e9 / 8 / (options.alerts * options.frame_bytes),
    }


def levels(leaves, children):
    """How many relays on each level above, the root first."""
    above = []
    while leaves > 1:
        leaves = math.ceil(leaves / children)
        above.insert(0, leaves)
    return above


def count(readers):
    """Two digits: what is computed here is no better."""
    power = 10 ** max(0, math.floor(math.log10(readers)) - 1)
    return f"{math.floor(readers / power) * power:,}"


if __name__ == "__main__":
    main()
