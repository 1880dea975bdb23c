"""The client's own checks against vectors of others, as far as VIGIE_TEST_DATA names them, and the tables of ours that
go with them: proto/vectors/strict_json.json says which valid JSON is refused on purpose."""
from __future__ import annotations

import json
import os
import pathlib
import unittest

import test_vectors as vectors
import vigie

DATA = pathlib.Path(os.environ.get("VIGIE_TEST_DATA", ""))
with_data = unittest.skipUnless("VIGIE_TEST_DATA" in os.environ, "needs VIGIE_TEST_DATA; see CONTRIBUTING.md")
TABLE = vectors.load("strict_json")["refused"]


def judged(text: bytes | str) -> str:
    return vectors.verdict(lambda: vigie.strict_json(text, "malformed"))


class StrictJson(unittest.TestCase):
    def test_table(self) -> None:
        for case in TABLE:
            with self.subTest(case["name"]):
                self.assertEqual(judged(case["text"]), case["code"])
                self.assertEqual(judged(case["accepted"]), "ok")

    @with_data
    def test_suite(self) -> None:
        refused = {file: case["code"] for case in TABLE for file in case["files"]}
        files = sorted((DATA / "json" / "JSONTestSuite" / "test_parsing").glob("*.json"))
        self.assertGreater(len(files), 200)
        for file in files:
            with self.subTest(file.name):
                expected = refused.get(file.name, "ok") if file.name.startswith("y_") else "malformed"
                self.assertEqual(judged(b'{"a":' + file.read_bytes() + b"}"), expected)

    @with_data
    def test_utf8(self) -> None:
        for case in json.loads((DATA / "json" / "utf8-sequences.json").read_text("utf-8"))["sequences"]:
            with self.subTest(case["hex"]):
                raw = bytes.fromhex(case["hex"])
                sound = case["valid"] and min(raw) >= 0x20  # JSON wants control characters escaped
                self.assertEqual(judged(b'{"a":"' + raw + b'"}'), "ok" if sound else "malformed")


class Wycheproof(unittest.TestCase):
    @with_data
    def test_ed25519(self) -> None:
        made = json.loads((DATA / "jose" / "wycheproof" / "ed25519_test.json").read_text("utf-8"))
        for group in made["testGroups"]:
            key = bytes.fromhex(group["publicKey"]["pk"])
            for case in group["tests"]:
                with self.subTest(case["tcId"]):
                    sig, signed = bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
                    token = vigie.Token("", "live", "", signed, b"", sig)
                    sound = len(sig) == 64 and vectors.verdict(lambda: token.check_signature(key)) == "ok"
                    self.assertEqual("valid" if sound else "invalid", case["result"])

    @with_data
    def test_jws(self) -> None:
        made = json.loads((DATA / "jose" / "wycheproof" / "json_web_signature_test.json").read_text("utf-8"))
        for case in (case for group in made["testGroups"] for case in group["tests"]):
            with self.subTest(case["tcId"]):
                self.assertNotEqual(vectors.verdict(lambda: vigie.parse_token(case["jws"], "message")), "ok")


if __name__ == "__main__":
    unittest.main()
