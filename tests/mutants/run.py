"""Changes the code that decides and that keeps, a little at a time, and looks whether a test notices.

    python3 tests/mutants/run.py SET [K/N] [--list]

SET is one of sets.toml; K/N takes the K-th (from 0) of N shards of it. Needs cargo-mutants. What is committed is tried, in
a clone of its own below the target directory, so the tree can be worked on meanwhile. The passes of a set go from the
quickest tests on: each is given only what those before it have missed.

A mutant that no test can notice, since the program does the same, is named in equivalent.toml with its reason: it is not
run, and a name that fits none is an error. What only a feature compiles, such as the bugs of `sabotage`, is not mutated. Prints each mutant that was missed, and the line of LEDGER.md that tells the run; fails when one was missed,
or when more than 3 in 100 are named equivalent.
"""

import fcntl
import os
import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLACE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "mutants"
TREE = PLACE / "tree"
EQUIVALENT_SHARE_MAX = 0.03

# One mutant costs a build: so nothing is optimised but the libraries of others, and no debug information is written.
ENVIRONMENT = {
    **os.environ,
    "CARGO_TARGET_DIR": str(PLACE / "build"),
    "CARGO_INCREMENTAL": "1",
    "CARGO_PROFILE_DEV_OPT_LEVEL": "0",
    "CARGO_PROFILE_DEV_DEBUG": "none",
    "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "true",
    "RUST_BACKTRACE": "0",
}


def clone() -> str:
    """Puts what is committed into the clone, and says which commit that is."""
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()
    if not TREE.exists():
        subprocess.run(["git", "-c", "init.defaultBranch=main", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(TREE)], check=True)
    git = ["git", "-C", str(TREE)]
    subprocess.run([*git, "fetch", "--quiet", str(ROOT), commit], check=True)
    subprocess.run([*git, "checkout", "--quiet", "--force", "--detach", commit], check=True)
    return commit[:7]


def seams(file: str) -> set[int]:
    """The lines of statements and items that only a feature compiles."""
    text = (TREE / file).read_text().splitlines()
    found, line = set(), 0
    while line < len(text):
        is_seam = re.search(r'^\s*#\[cfg\((all\(test, )?feature = ', text[line])
        line += 1
        depth = 0
        while is_seam and line < len(text):
            code = text[line].split("//")[0].rstrip()
            depth += sum(code.count(one) for one in "([{") - sum(code.count(one) for one in ")]}")
            line += 1
            found.add(line)
            if depth == 0 and code.endswith((";", "}", ",")):
                break
    return found


def line_of(name: str) -> str:
    """The line that a mutant of this name changes."""
    file, line, _ = name.split(":", 2)
    return (TREE / file).read_text().splitlines()[int(line) - 1]


def escaped(name: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", name)


def cargo_mutants(options: list[str], **run) -> subprocess.CompletedProcess:
    command = ["cargo", "mutants", "--no-config", "--colors=never", *options]
    return subprocess.run(command, cwd=TREE, text=True, **run)


class Set:
    def __init__(self, name: str, shard: str | None):
        table = tomllib.loads((HERE / "sets.toml").read_text())
        if name not in table:
            sys.exit(f"no set {name}: there are {', '.join(table)}")
        self.name, self.shard = name, shard
        self.package, self.files, self.passes = table[name]["package"], table[name]["files"], table[name]["pass"]
        missing = [file for file in self.files if not (TREE / file).is_file()]
        if missing:
            sys.exit(f"sets.toml: there is no {', '.join(missing)}")
        named = [one for one in tomllib.loads((HERE / "equivalent.toml").read_text())["mutant"] if one["set"] == name]
        if not all(one["reason"] for one in named):
            sys.exit("equivalent.toml: one has no reason")
        self.named = named

    def options(self) -> list[str]:
        files = [option for file in self.files for option in ("--file", file)]
        return ["--package", self.package, *files]

    def names(self, *more: str) -> list[str]:
        listed = cargo_mutants(["--list", *self.options(), *more], stdout=subprocess.PIPE, check=True)
        return listed.stdout.splitlines()

    def find(self):
        """All mutants of the set, those of them that are equivalent, and those of this shard that are to be run."""
        behind = {f"{file}:{line}" for file in self.files for line in seams(file)}
        self.all = [name for name in self.names() if ":".join(name.split(":")[:2]) not in behind]
        self.equivalent = set()
        for one in self.named:
            names = {name for name in self.all if re.search(one["is"], name) and one["at"] in line_of(name)}
            if not names:
                sys.exit(f"equivalent.toml: no mutant of {self.name} is {one['is']} at {one['at']}")
            self.equivalent |= names
        part = set(self.names("--shard", self.shard) if self.shard else self.all)
        self.part = [name for name in self.all if name in part]
        self.due = [name for name in self.part if name not in self.equivalent]

    def run(self) -> dict[str, set[str]]:
        """What became of each, by the words of cargo-mutants; of those without a word nothing is known."""
        became = {word: set() for word in ("caught", "timeout", "unviable", "missed")}
        due = self.due
        for number, tests in enumerate(self.passes):
            if not due:
                break
            output = PLACE / self.name / (self.shard or "all").replace("/", "-of-") / str(number)
            output.mkdir(parents=True, exist_ok=True)
            features = [option for one in tests.get("features", []) for option in ("--features", one)]
            features += [] if tests.get("default_features", True) else ["--no-default-features"]
            choice = [option for name in due for option in ("--re", f"^{escaped(name)}$")]
            options = ["--in-place", "--no-shuffle", "--output", str(output), "--timeout", str(tests["seconds"])]
            # To the build as well: the other tests need not be made for each mutant.
            targets = [f"--cargo-arg={one}" for one in tests["targets"]]
            package = tests.get("package", self.package)
            options += ["--test-package", package, *self.options(), *features, *targets, *choice]
            env = ENVIRONMENT | {key: str(value) for key, value in tests.get("env", {}).items()}
            print(f"pass {number}: {len(due)} mutants, {' '.join(tests['targets'])}", flush=True)
            if package != self.package:
                # What passes without a mutant cargo-mutants looks for in the package that it mutates: so it is looked at here.
                command = ["cargo", "test", "--package", package, *features, *tests["targets"], *tests.get("names", [])]
                subprocess.run(command, cwd=TREE, env=env, check=True)
                options.append("--baseline=skip")
            cargo_mutants([*options, "--", *tests.get("names", [])], env=env)
            told = {word: (output / "mutants.out" / f"{word}.txt").read_text().splitlines() for word in became}
            # cargo-mutants does not choose among those that leave out a member, and runs them all.
            words = {word: {name for name in names if name in due} for word, names in told.items()}
            for word, names in words.items():
                became[word] = names if word == "missed" else became[word] | names
            due = [name for name in due if name in words["missed"]]
        return became


def main():
    arguments = [one for one in sys.argv[1:] if one != "--list"]
    if not 1 <= len(arguments) <= 2:
        sys.exit(__doc__)
    PLACE.mkdir(parents=True, exist_ok=True)
    lock = (PLACE / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another run mutates the clone in {PLACE}: one at a time")
    commit = clone()
    chosen = Set(arguments[0], arguments[1] if len(arguments) == 2 else None)
    chosen.find()
    if "--list" in sys.argv:
        print("\n".join(chosen.due))
        return
    became = chosen.run()
    missed, unviable = became["missed"], became["unviable"]
    killed = became["caught"] | became["timeout"]
    equivalent = [name for name in chosen.part if name in chosen.equivalent]
    known = missed | unviable | killed
    for name in sorted(missed):
        print(f"missed: {name}")
    cells = [date.today().isoformat(), commit, chosen.name, chosen.shard or "all", len(chosen.part), len(unviable)]
    cells += [len(killed), len(equivalent), len(missed), len([name for name in chosen.due if name not in known])]
    print(f"| {' | '.join(str(cell) for cell in cells)} |")
    if len(chosen.equivalent) > EQUIVALENT_SHARE_MAX * len(chosen.all):
        sys.exit(f"{len(chosen.equivalent)} of {len(chosen.all)} are named equivalent: more than 3 in 100")
    if missed:
        sys.exit(1)


main()
