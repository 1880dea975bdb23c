"""Which faults a token's header really has, of those that one check finds (part 5 of proto/PROTOCOL.md: "header JSON and
members"): so that three verdicts that differ are called right only where each of them is.

A judge stops at the first fault that it meets; this goes on as long as what follows can be read. It judges nothing else: an `alg`,
`typ` or `kid` that is a string is for later checks, whose order is fixed.
"""
from __future__ import annotations

import json
import re

import vigie

MEMBERS = {"alg", "kid", "typ"}
SPACE = re.compile(r"[ \t\n\r]*")
# Of strings the form, whatever their escapes stand for; of numbers all that begins like one.
STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"')
NUMBER, STRICT = re.compile(r"[-+.0-9eE]+"), re.compile(r"-?(?:0|[1-9][0-9]*)")


class Broken(Exception):
    """What follows cannot be read."""


class Header:
    def __init__(self, raw: bytes) -> None:
        self.faults: set[str] = set()
        try:
            self.text = raw.decode()
        except UnicodeDecodeError:
            self.text = raw.decode(errors="replace")
            self.faults.add("malformed_token")
        if "\\" in self.text:
            self.faults.add("malformed_token")
        self.at = 0
        try:
            self.next("{")
            top = self.object(1)
            SPACE.fullmatch(self.text, self.at) or self.broken()
            if top.keys() - MEMBERS:
                self.faults.add("unknown_member")
            if not all(isinstance(top.get(name), str) for name in MEMBERS):
                self.faults.add("malformed_token")
        except Broken:
            self.faults.add("malformed_token")

    def broken(self) -> None:
        raise Broken

    def next(self, expected: str = "") -> str:
        """The next letter that is no space; where one is expected, past it."""
        self.at = SPACE.match(self.text, self.at).end()
        letter = self.text[self.at:self.at + 1]
        if expected:
            letter == expected or self.broken()
            self.at += 1
        return letter

    def object(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        more = self.next() != "}"
        while more:
            name = self.string()
            if name in found:
                self.faults.add("duplicate_member")
            # Whoever refuses a name need not read its value.
            if depth == 1 and name not in MEMBERS:
                self.faults.add("unknown_member")
            self.next(":")
            found[name] = self.value(depth)
            if more := self.next() == ",":
                self.next(",")
        self.next("}")
        return found

    def array(self, depth: int) -> None:
        more = self.next() != "]"
        while more:
            self.value(depth)
            if more := self.next() == ",":
                self.next(",")
        self.next("]")

    def value(self, depth: int) -> object:
        letter = self.next()
        if letter and letter in "{[":
            self.at += 1
            if depth == 16:
                self.faults.add("malformed_token")
            return self.object(depth + 1) if letter == "{" else self.array(depth + 1)
        if letter == '"':
            return self.string()
        for word in ("true", "false", "null"):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return None
        number = NUMBER.match(self.text, self.at) or self.broken()
        self.at = number.end()
        digits = number[0]
        if not STRICT.fullmatch(digits) or digits == "-0" or len(digits) > 17 or abs(int(digits)) > 2**53 - 1:
            self.faults.add("malformed_token")
        return None

    def string(self) -> str:
        self.next()
        form = STRING.match(self.text, self.at) or self.broken()
        self.at = form.end()
        return json.loads(form[0])


def of_header(token: str) -> set[str]:
    """The codes of which any is right for it."""
    parts = token.split(".")
    if len(parts) != 3:
        return {"malformed_token"}
    try:
        return Header(vigie.unb64(parts[0], "malformed_token")).faults
    except vigie.Refusal:
        return {"malformed_token"}


# What it says of these is looked at before each run.
GOOD = '"alg":"EdDSA","kid":"k","typ":"t"'
SAMPLES = {
    "{%s}" % GOOD: set(),
    ' {"typ":"t", "alg":"none","kid":""}\n': set(),
    '{%s,"x":1}' % GOOD: {"unknown_member"},
    '{%s,"alg":"EdDSA"}' % GOOD: {"duplicate_member"},
    '{"alg":"EdDSA","typ":"t"}': {"malformed_token"},
    '{"alg":null,"kid":"k","typ":"t"}': {"malformed_token"},
    '{%s}{}' % GOOD: {"malformed_token"},
    '{%s,}' % GOOD: {"malformed_token"},
    '{"Alg":"EdDSA","kid":"k","typ":"t"}': {"malformed_token", "unknown_member"},
    '{"x":-0,%s}' % GOOD: {"malformed_token", "unknown_member"},
    '{%s,"x":%s1%s}' % (GOOD, "[" * 15, "]" * 15): {"unknown_member"},
    '{%s,"x":%s1%s}' % (GOOD, "[" * 16, "]" * 16): {"malformed_token", "unknown_member"},
    '{%s,"x":{"a":1,"a":2}}' % GOOD: {"duplicate_member", "unknown_member"},
    r'{%s,"\u0061lg":"EdDSA"}' % GOOD: {"duplicate_member", "malformed_token"},
    '{%s,"alg":"EdDSA",,"x":1}' % GOOD: {"duplicate_member", "malformed_token"},
    # Nobody reads as far as the name.
    '{"alg" "x":1}': {"malformed_token"},
    "[]": {"malformed_token"},
    "": {"malformed_token"},
}


def check() -> None:
    for text, faults in SAMPLES.items():
        if (found := of_header(f"{vigie.b64(text.encode())}..")) != faults:
            raise SystemExit(f"faults.py: {text} has {found}, and {faults} is right")
