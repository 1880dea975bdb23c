#!/usr/bin/env python3
"""Judge that CAP goes through Vigie without loss: a second program, with Python's own XML library.

For every CAP file that is valid, `vigie cap to-json` takes the model from a copy, the copy is deleted, and
`vigie cap to-xml` writes CAP 1.2 from the model alone. Input and export become lists of (path, text) of the elements in
the CAP namespace, and must be equal but for the changes in `cap_permitted.json`, each of which has its reason there.

    python3 tests/python/cap_compare.py                      the files of this project
    VIGIE_TEST_DATA=DIR python3 tests/python/cap_compare.py  also DIR/cap, where the number compared must be the number
                                                             that DIR/cap/index.csv marks valid

The binary is VIGIE_BIN, or target/debug/vigie. With VIGIE_TEST_DATA and the package lxml every export is also
checked against the schema of CAP 1.2; --schema makes its absence a failure.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OWN_FILES = ROOT / "client-sdk" / "tests" / "fixtures" / "cap"
NAMESPACES = {
    "http://www.incident.com/cap/1.0": "1.0",
    "urn:oasis:names:tc:emergency:cap:1.1": "1.1",
    "urn:oasis:names:tc:emergency:cap:1.2": "1.2",
}
CAP_1_2 = "urn:oasis:names:tc:emergency:cap:1.2"
# No single call takes longer, unless it hangs.
SECONDS_MAX = 60


class Element:
    """An element of CAP: its local name, its own text, the CAP elements inside."""

    def __init__(self, name, text, children):
        self.name = name
        self.text = text
        self.children = children

    @classmethod
    def read(cls, node, namespace):
        texts = [node.text or ""]
        children = []
        for child in node:
            if child.tag.startswith("{" + namespace + "}"):
                children.append(cls.read(child, namespace))
            texts.append(child.tail or "")
        text = "".join(texts)
        # Between elements white space is layout.
        if children and not text.strip():
            text = ""
        return cls(node.tag.split("}", 1)[1], text, children)

    def pairs(self, path=""):
        """(path, text) of this element and all below, in the order of the file."""
        here = f"{path}/{self.name}"
        found = [(here, self.text)]
        seen = Counter()
        for child in self.children:
            seen[child.name] += 1
            # The number among those of the same name.
            found += [(f"{here}[{child.name} {seen[child.name]}]" + rest, text) for rest, text in child.pairs()]
        return found

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()


def alerts_of(xml):
    """Version and element of each alert in a file."""
    found = []
    for node in ElementTree.fromstring(xml).iter():
        namespace, _, name = node.tag[1:].rpartition("}")
        if name == "alert" and namespace in NAMESPACES:
            found.append((NAMESPACES[namespace], Element.read(node, namespace)))
    return found


class Permitted:
    """The committed list, applied to an alert as it came in."""

    def __init__(self, table):
        self.changes = table["changes"]
        self.used = Counter()
        for change in self.changes:
            assert change["reason"], f"{change['id']} has no reason"

    def apply(self, version, alert):
        for change in self.changes:
            if version in change["versions"]:
                count = getattr(self, "_" + change["change"])(change, alert)
                self.used[change["id"]] += count

    @staticmethod
    def _namespace(_change, _alert):
        # Paths hold local names; that the export is in the namespace of 1.2 is checked where it is read.
        return 1

    @staticmethod
    def _remove(alert, condition):
        count = 0
        for parent in alert.walk():
            kept = [child for child in parent.children if not condition(child)]
            count += len(parent.children) - len(kept)
            parent.children = kept
        return count

    def _leave_out(self, change, alert):
        return self._remove(alert, lambda child: child.name in change["elements"])

    def _leave_out_blank(self, change, alert):
        def is_blank(child):
            return child.name in change["elements"] and not child.children and not child.text.strip()

        return self._remove(alert, is_blank)

    @staticmethod
    def _each(change, alert, new_text):
        count = 0
        for element in alert.walk():
            if element.name in change["elements"] and not element.children:
                text = new_text(element.text)
                count += text != element.text
                element.text = text
        return count

    def _strip(self, change, alert):
        return self._each(change, alert, lambda text: text.strip(" \t\r\n"))

    def _replace(self, change, alert):
        def new_text(text):
            return change["to"] if text.strip() == change["from"] else text

        return self._each(change, alert, new_text)

    def _time(self, change, alert):
        def new_text(text):
            match = re.fullmatch(r"\s*(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)\s*", text)
            if not match or re.fullmatch(r"\s*\S{19}[+-]\d\d:\d\d\s*", text):
                return text
            zone = match[3]
            if zone == "Z":
                zone = "-00:00"
            elif ":" not in zone:
                zone = zone[:3] + ":" + zone[3:]
            return match[1] + zone

        return self._each(change, alert, new_text)

    @staticmethod
    def _split(change, alert):
        count = 0
        for element in list(alert.walk()):
            if element.name in change["elements"] and not element.children and "=" in element.text:
                name, _, value = element.text.strip().partition("=")
                element.children = [Element("valueName", name.strip(), []), Element("value", value.strip(), [])]
                element.text = ""
                count += 1
        return count

    @staticmethod
    def _fill(change, alert):
        count = 0
        for parent in list(alert.walk()):
            if parent.name == change["parent"] and all(child.name != change["element"] for child in parent.children):
                names = [child.name for child in parent.children]
                at = names.index(change["after"]) + 1
                parent.children.insert(at, Element(change["element"], change["value"], []))
                count += 1
        return count


class Schema:
    """The schema of CAP 1.2, where both it and lxml are at hand."""

    def __init__(self, path):
        self.checked = 0
        self.schema = None
        try:
            from lxml import etree
        except ImportError:
            return
        if path is not None and path.is_file():
            self.etree = etree
            self.schema = etree.XMLSchema(etree.parse(str(path)))

    def problems(self, xml):
        if self.schema is None:
            return []
        self.checked += 1
        for alert in self.etree.fromstring(xml).iter("{" + CAP_1_2 + "}alert"):
            whole = self.etree.fromstring(self.etree.tostring(alert))
            if not self.schema.validate(whole):
                return [f"not valid: {self.schema.error_log[0]}"]
        return []


def vigie(*arguments):
    """What `vigie` writes. English, so that a failure reads as this program does."""
    command = [os.environ.get("VIGIE_BIN", str(ROOT / "target" / "debug" / "vigie")), "--lang", "en", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS_MAX, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def export(file, folder):
    """CAP 1.2 of the model alone: the file is gone before it is written."""
    copy = folder / "copy.xml"
    model = folder / "model.json"
    copy.write_bytes(file.read_bytes())
    model.write_bytes(vigie("cap", "to-json", copy))
    copy.unlink()
    exported = vigie("cap", "to-xml", model)
    if exported != vigie("cap", "to-xml", file):
        raise RuntimeError("to-xml of the file differs from to-xml of its model")
    return exported


def differences(file, permitted, schema, wants_valid, folder):
    """What is wrong with the export of a file: nothing, when all is well."""
    exported = export(file, folder)
    found = lost(file.read_bytes(), exported, permitted)
    return found + (schema.problems(exported) if wants_valid else [])


def lost(given_xml, exported, permitted):
    """Where an export differs from what went in, but for what is permitted."""
    before, after = alerts_of(given_xml), alerts_of(exported)
    if not before or len(before) != len(after):
        return [f"{len(before)} alerts became {len(after)}"]
    found = []
    for number, ((version, given), (new_version, got)) in enumerate(zip(before, after), 1):
        if new_version != "1.2":
            found.append(f"alert {number} is CAP {new_version}")
        permitted.apply(version, given)
        expected, actual = given.pairs(), got.pairs()
        for here, there in zip(expected, actual):
            if here != there:
                found.append(f"alert {number}: expected {here!r}, got {there!r}")
                break
        else:
            if len(expected) != len(actual):
                longer = max(expected, actual, key=len)
                found.append(f"alert {number}: only in one: {longer[min(len(expected), len(actual))]!r}")
    return found


def compare(name, files, permitted, schema, not_valid):
    """Compares files; gives how many were equal."""
    equal = 0
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            try:
                found = differences(file, permitted, schema, file.name not in not_valid, Path(folder))
            except (RuntimeError, subprocess.TimeoutExpired, ElementTree.ParseError) as error:
                found = [str(error)]
            for difference in found:
                print(f"{file.name}: {difference}")
            equal += int(not found)
    used = ", ".join(f"{change} {count}" for change, count in sorted(permitted.used.items()) if count)
    print(f"{name}: {equal} of {len(files)} files came back equal; permitted changes used: {used or 'none'}")
    return equal


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schema", action="store_true", help="fail where the schema cannot be checked")
    arguments = parser.parse_args(words)

    table = json.loads((Path(__file__).parent / "cap_permitted.json").read_text())
    data = os.environ.get("VIGIE_TEST_DATA")
    collection = Path(data) / "cap" if data else None
    schema = Schema(collection / "schema" / "CAP-v1.2.xsd" if collection else None)

    own = [file for file in sorted(OWN_FILES.rglob("*.xml")) if file.parent.name != "bad"]
    # In the list one alert is bad on purpose, which ends the command with a failure.
    own = [file for file in own if file.name not in table["own_files_left_out"] and file.name != "list.xml"]
    good = compare("own files", own, Permitted(table), schema, table["own_files_not_valid"]) == len(own) > 0

    if collection:
        with (collection / "index.csv").open(newline="", encoding="utf-8") as index:
            valid = [row["file"] for row in csv.DictReader(index) if row["schema_valid"] == "valid"]
        files = [collection / "alerts" / file for file in valid]
        equal = compare("third-party files", files, Permitted(table), schema, {})
        print(f"third-party files: {equal} checked and equal, {len(valid)} marked valid by the index")
        good = good and equal == len(valid) > 0
    print(f"schema of CAP 1.2: {schema.checked} exports checked" if schema.schema else "schema of CAP 1.2: not at hand")
    if arguments.schema and not schema.checked:
        good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
