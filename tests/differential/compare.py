"""Tokens of `tokens` judged three times: by this project, with `cryptography` in Python, with WebCrypto in Node.

    compare.py --tokens BINARY [--count N] [--seed S]

The two other judges know proto/PROTOCOL.md and a library: Python's rules are those of tests/python/vigie.py, Node's those
of judge.mjs. Any two verdicts that differ are a disagreement; each falls into a class, and all but those of EXPLAINED fail
the run. Beside it is counted what a reader would take who leaves everything to the library: what the rules are for.
"""
from __future__ import annotations

import argparse
import base64
import binascii
import collections
import itertools
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
import faults  # noqa: E402
import vigie  # noqa: E402

BATCH = 2_000
# A library alone is asked of one token in so many: it is no judge, and its answer costs as much as all the rules.
LIBRARY_EVERY = 10
# A disagreement that is none: its name, and whether these verdicts on a token are of it. Of the faults that one check finds in one
# object any code is right (part 4, "Several faults"), but of those alone that are there.
EXPLAINED = {"several-faults-in-a-header": lambda token, verdicts: set(verdicts) <= faults.of_header(token)}
# Every run of any length must have seen these, or it has tried nothing.
CODES = {"ok", "malformed_token", "duplicate_member", "unknown_member", "wrong_type", "bad_signature", "key_refused"}


def by_rules(case: dict[str, str]) -> str:
    key = vigie.unb64(case["key"], "", 32)
    try:
        vigie.need(vigie.sound_point(key), "key_refused")
        token = vigie.parse_token(case["token"], case["kind"])
        token.check_signature(key)
    except vigie.Refusal as refusal:
        return refusal.code
    return f"ok vigie-{case['kind']}-{token.plane}-v1 {token.kid} {token.id} {vigie.b64(vigie.sha(token.payload))}"


def by_library(case: dict[str, str]) -> bool:
    """No rule but the library's own: base64url as Python reads it, and whatever `cryptography` takes."""
    try:
        signed, _, signature = case["token"].rpartition(".")
        key = Ed25519PublicKey.from_public_bytes(vigie.unb64(case["key"], "", 32))
        key.verify(base64.urlsafe_b64decode(signature.encode() + b"=="), signed.encode())
        return signed.count(".") == 1
    except (InvalidSignature, ValueError, binascii.Error):
        return False


class Node:
    """The judge in Node: a line in is a line out. Read by a thread of its own, so that neither side waits for the other."""

    def __init__(self, program: str) -> None:
        self.process = subprocess.Popen([program, "--no-warnings", HERE / "judge.mjs"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.answers: collections.deque[str] = collections.deque()
        self.come = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in self.process.stdout:
            with self.come:
                self.answers.append(line.decode())
                self.come.notify()
        with self.come:
            self.answers.append("")
            self.come.notify()

    def ask(self, lines: list[bytes]) -> None:
        self.process.stdin.writelines(lines)
        self.process.stdin.flush()

    def answer(self) -> tuple[str, bool | None]:
        with self.come:
            self.come.wait_for(lambda: self.answers)
            line = self.answers.popleft()
        if not line:
            raise SystemExit("the judge in Node has ended")
        verdict, taken = line.rstrip("\n").split("\t")
        return verdict, None if taken == "-" else taken == "1"


def batches(lines: IO[bytes]) -> Iterator[list[bytes]]:
    while batch := list(itertools.islice(lines, BATCH)):
        yield batch


class Counts:
    def __init__(self) -> None:
        self.tokens = 0
        self.verdicts: collections.Counter[str] = collections.Counter()
        self.classes: collections.Counter[str] = collections.Counter()
        self.examples: dict[str, str] = {}
        self.made: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self.library: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self.wrong = 0

    def note(self, case: dict[str, str], verdicts: dict[str, str], libraries: dict[str, bool | None]) -> None:
        code = case["ours"].split(" ")[0]
        self.tokens += 1
        self.verdicts[code] += 1
        for made in case["made"].split() or ["honest"]:
            self.made[made]["taken" if code == "ok" else "refused"] += 1
        for name, taken in libraries.items():
            if taken is not None and taken != (code == "ok"):
                self.library[name][f"rules: {code}; {name} alone: {'taken' if taken else 'refused'}"] += 1
        if len(set(verdicts.values())) > 1:
            self.classify(case, verdicts)

    def classify(self, case: dict[str, str], verdicts: dict[str, str]) -> None:
        name = next((name for name, holds in EXPLAINED.items() if holds(case["token"], verdicts.values())), None)
        if name is None:
            self.wrong += 1
            codes = {judge: verdict.split(" ")[0] for judge, verdict in verdicts.items()}
            name = "WE TAKE WHAT THE RULES REFUSE" if codes["ours"] == "ok" else "verdicts differ"
            name = f"{name}: {codes}" if len(set(codes.values())) > 1 else "TAKEN BY ALL, AND READ DIFFERENTLY"
        self.classes[name] += 1
        self.examples.setdefault(name, json.dumps(case | verdicts))

    def missing(self) -> list[str]:
        """What a run must have come across, if it means anything."""
        lacking = sorted(CODES - self.verdicts.keys())
        crafted = [made for made in self.made if made.startswith("crafted-")]
        lacking += [] if len(crafted) >= 8 else [f"crafted tokens, of 8 kinds: {crafted}"]
        lacking += [] if self.library.get("cryptography") else ["a token that a library alone takes and the rules refuse"]
        return lacking

    def report(self, judges: list[str]) -> None:
        print(f"{self.tokens:,} tokens, judged by {', '.join(judges)}")
        print("\nverdict of this project")
        for code, count in self.verdicts.most_common():
            print(f"  {count:>9,}  {code}")
        print("\ndisagreements")
        for name, count in self.classes.most_common():
            print(f"  {count:>9,}  {name}\n             such as {self.examples[name][:1000]}")
        print("  none" if not self.classes else "", end="" if self.classes else "\n")
        print(f"\nof one token in {LIBRARY_EVERY}: what the rules refuse beyond a library, or a library beyond the rules")
        for counts in self.library.values():
            for name, count in counts.most_common():
                print(f"  {count:>9,}  {name}")
        print("\nhow they were made: taken, refused")
        for made, counts in sorted(self.made.items()):
            print(f"  {counts['taken']:>9,} {counts['refused']:>9,}  {made}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    faults.check()
    node = Node(program) if (program := shutil.which("node")) else None
    counts = Counts()
    with tempfile.NamedTemporaryFile() as crafted:
        pool = str(min(4_000, max(200, given.count // 50)))
        subprocess.run([sys.executable, HERE / "crafted.py", str(given.seed), pool], stdout=crafted, check=True)
        made = subprocess.Popen([given.tokens, str(given.seed), str(given.count), crafted.name], stdout=subprocess.PIPE)
        for batch in batches(made.stdout):
            if node:
                node.ask(batch)
            for line in batch:
                case = json.loads(line)
                verdicts: dict[str, str] = {"ours": case["ours"], "python": by_rules(case)}
                libraries: dict[str, bool | None] = {"cryptography": None}
                if counts.tokens % LIBRARY_EVERY == 0:
                    libraries["cryptography"] = by_library(case)
                if node:
                    verdicts["node"], libraries["WebCrypto"] = node.answer()
                counts.note(case, verdicts, libraries)
            if sys.stderr.isatty():
                print(f"\r{counts.tokens:,}", end="", file=sys.stderr)
        if made.wait() != 0:
            raise SystemExit("the tokens ended early")
    counts.report(["this project", "cryptography"] + (["WebCrypto"] if node else []))
    if not node:
        print("\nnot tried: WebCrypto, for there is no node here")
    if counts.tokens != given.count:
        print(f"{counts.tokens} tokens, and {given.count} were asked for")
        return 1
    if lacking := counts.missing():
        print(f"\nnot come across: {lacking}")
    print(f"\n{counts.tokens:,} tokens, {counts.wrong} disagreements that are not explained")
    return 1 if counts.wrong or lacking else 0


if __name__ == "__main__":
    sys.exit(main())
