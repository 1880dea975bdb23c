"""The table of tests/coverage/run, from what `llvm-cov export` gives of each binary: lines by file, and those that no test runs.

Left out is what is there for tests alone: files and folders called tests, the simulated disk, and in each file all from
`#[cfg(test)]` at the margin on.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("proto/src/", "relay/src/journal/")


def is_for_tests(path):
    return any(part in ("tests", "tests.rs", "sim_disk", "test_keys.rs", "sabotage.rs") for part in path.split("/"))


def lines_of(segments):
    """Line by line how often it was run: the most that a region on it was, as llvm-cov itself counts."""
    counts = {}
    covering = None
    last_line = 0
    for line, column, count, has_count, is_entry, is_gap in segments:
        if covering is not None:
            for between in range(last_line + 1, line):
                counts[between] = max(counts.get(between, 0), covering)
            if column > 1 and last_line != line:
                counts[line] = max(counts.get(line, 0), covering)
        if has_count and not is_gap and is_entry:
            counts[line] = max(counts.get(line, 0), count)
        covering = count if has_count and not is_gap else None
        last_line = line
    return counts


def main():
    names = [name for name in sys.argv[1:] if not name.startswith("--")]
    # A line counts as often as it was run in the binary that ran it most: each has been built apart, and shares no functions.
    files = {}
    for name in names:
        for file in json.loads(pathlib.Path(name).read_text())["data"][0]["files"]:
            path = file["filename"].removeprefix(f"{ROOT}/")
            if path.startswith(PARTS) and not is_for_tests(path):
                counts = files.setdefault(path, {})
                for line, count in lines_of(file["segments"]).items():
                    counts[line] = max(counts.get(line, 0), count)
    rows = []
    for path, counts in sorted(files.items()):
        text = (ROOT / path).read_text().splitlines()
        end = next((n for n, line in enumerate(text, 1) if line == "#[cfg(test)]"), len(text) + 1)
        counted = {n: count for n, count in counts.items() if n < end and text[n - 1].strip(" })];,")}
        rows.append((path, len(counted), [n for n, count in sorted(counted.items()) if count == 0], text))
    print("| file | lines | not run | run |\n|---|---|---|---|")
    for part in PARTS:
        of_part = [row for row in rows if row[0].startswith(part)]
        lines, missed = sum(row[1] for row in of_part), [n for row in of_part for n in row[2]]
        for path, total, not_run, _ in [*of_part, (f"all of {part}", lines, missed, [])]:
            run = 100 * (total - len(not_run)) / max(total, 1)
            print(f"| {path} | {total} | {len(not_run)} | {run:.1f} % |")
    if "--missed" in sys.argv:
        for path, _, missed, text in rows:
            for n in missed:
                print(f"{path}:{n}: {text[n - 1].strip()}")


main()
