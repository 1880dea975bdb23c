#!/usr/bin/env python3
"""Draws what a delivery costs each server, over the number of readers: medians of the runs.

    python3 benches/compare/draw.py benches/results/comparison.csv

Writes `saturated.svg` and `paced.svg` beside the figures. A comparison draws them as it goes.
"""

import csv
import pathlib
import statistics
import sys

import plot

READERS = {"fan100": 100, "fan1000": 1_000, "fan5000": 5_000}
PHASES = {
    "saturated": "CPU of a delivery, as many as the server can",
    "paced": "CPU of a delivery, 20,000 a second",
}


def draw(folder, figures):
    """`figures`: rows with `case`, `server`, `figure` and `value`. Draws what was measured with two numbers of readers."""
    for phase, title in PHASES.items():
        runs = {}
        for entry in figures:
            if entry["case"] in READERS and entry["figure"] == f"{phase} CPU per delivery":
                place = runs.setdefault(entry["server"], {}).setdefault(READERS[entry["case"]], [])
                place.append(float(entry["value"]))
        lines = {
            server: [(readers, statistics.median(values)) for readers, values in sorted(places.items())]
            for server, places in runs.items()
            if len(places) > 1
        }
        if lines:
            plot.write(folder / f"{phase}.svg", title, "readers of one channel", "µs", lines)


if __name__ == "__main__":
    source = pathlib.Path(sys.argv[1])
    with source.open(newline="") as rows:
        draw(source.parent, list(csv.DictReader(rows)))
