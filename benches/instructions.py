#!/usr/bin/env python3
"""Counts the instructions of the hot path's steps under valgrind, and holds them against benches/instructions.json.

    python3 benches/instructions.py            fails when a step takes 5 % more than the baseline
    python3 benches/instructions.py --write    writes the baseline; commit it with the reason

A step is run with few and with many rounds; the difference is what a round costs, without what sets it up. The counts
depend on the compiler and on the processor's instruction set (the cryptography picks its code by it), not on load.
"""

import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BASELINE = HERE / "instructions.json"
ALLOWED = 1.05

# Rounds: few enough for a minute in all.
STEPS = {
    "deliver_1_to_100": (10, 60),
    "deliver_32_to_100": (2, 8),
    "session_among_10": (5, 25),
    "session_among_200": (5, 25),
    "publish_frame": (50, 550),
    "verify_known_chain": (5, 45),
    "verify_cold_chain": (5, 25),
}


def build():
    command = ["cargo", "build", "--release", "--locked", "-p", "vigie-benches", "--bin", "hot_path"]
    command += ["--message-format", "json"]
    output = subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in reversed(output.splitlines()):
        executable = json.loads(line).get("executable")
        if executable:
            return executable
    sys.exit("cargo named no executable")


def instructions(program, step, rounds):
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    done = subprocess.run([*command, program, step, str(rounds)], stderr=subprocess.PIPE, text=True)
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode != 0 or not found:
        sys.exit(f"{step}: valgrind failed:\n{done.stderr}")
    return int(found.group(1).replace(",", ""))


def main():
    program = build()
    measured = {}
    for step, (few, many) in STEPS.items():
        more = instructions(program, step, many) - instructions(program, step, few)
        measured[step] = round(more / (many - few))
    if sys.argv[1:] == ["--write"]:
        BASELINE.write_text(json.dumps(measured, indent=2) + "\n")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    baseline = json.loads(BASELINE.read_text())
    if baseline.keys() != measured.keys():
        sys.exit("the baseline has other steps: write it anew with --write")
    failed = False
    print(f"{'step':24} {'baseline':>12} {'now':>12}  ratio")
    for step, now in measured.items():
        ratio = now / baseline[step]
        failed |= ratio > ALLOWED
        print(f"{step:24} {baseline[step]:12} {now:12}  {ratio:.3f}{'  TOO MANY' if ratio > ALLOWED else ''}")
        if ratio < 2 - ALLOWED:
            print(f"{step} has become cheaper: write the baseline, or the difference may be lost again unseen")
    if failed:
        sys.exit("more instructions than the baseline allows; make it cheaper, or write the baseline and say why")


main()
