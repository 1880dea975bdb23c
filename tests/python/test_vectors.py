"""Rebuilds every vector of proto/vectors from its seeds, and reaches every verdict with the client's own checks."""
from __future__ import annotations

import hashlib
import itertools
import json
import pathlib
import unittest
from typing import Any, Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import revocations
import vigie

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / "proto" / "vectors"
NO_TEST_KEYS: frozenset[bytes] = frozenset()  # a test harness may leave out that one check


def load(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


CREDENTIALS, MESSAGES, LOGIN = load("credentials"), load("messages"), load("login")
REVOCATIONS, ROTATIONS = load("revocations"), load("rotations")


def verdict(check: Callable[[], object]) -> str:
    try:
        check()
        return "ok"
    except vigie.Refusal as refusal:
        return refusal.code


def seed(name: str) -> bytes:
    return hashlib.sha256(f"Vigie TEST-ONLY {name}".encode()).digest()


Point = tuple[int, int]  # of the curve of Ed25519, in affine coordinates
BASE: Point = (15112221349535400772501151409588531511454012693041857206046113283949847762202,
               46316835694926478169428394003475163141307993866256225615783033603165251855960)


def added(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    k = -121665 * pow(121666, -1, vigie.P) * x1 * x2 * y1 * y2 % vigie.P
    return ((x1 * y2 + x2 * y1) * pow(1 + k, -1, vigie.P) % vigie.P,
            (y1 * y2 + x1 * x2) * pow(1 - k, -1, vigie.P) % vigie.P)


def times(count: int, point: Point) -> Point:
    total: Point = (0, 1)
    for bit in bin(count)[2:]:
        total = added(total, total)
        total = added(total, point) if bit == "1" else total
    return total


def signature_with(twist: Point, secret: bytes, signed: bytes, steps: int) -> bytes:
    """A signature with R = r B + `twist` and S = r + H(R, A, M) a; r is that of RFC 8032, `steps` times."""
    digest = hashlib.sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little") & ~7 & 2**254 - 1 | 2**254
    r = steps * int.from_bytes(hashlib.sha512(digest[32:] + signed).digest(), "little") % vigie.ORDER
    x, y = added(times(r, BASE), twist)
    encoded = (y | (x & 1) << 255).to_bytes(32, "little")
    h = int.from_bytes(hashlib.sha512(encoded + vigie.public_key(secret) + signed).digest(), "little")
    return encoded + ((r + h * scalar) % vigie.ORDER).to_bytes(32, "little")


def rebuild(vector: dict[str, Any]) -> str:
    """The token from the seed of its key, its exact texts and the steps of `then`."""
    payload = vector["payload"].replace("@FILL@", "x" * vector.get("fill", 0))
    signed = ".".join(vigie.b64(text.encode()) for text in (vector["header"], payload))
    key = Ed25519PrivateKey.from_private_bytes(seed(vector["key"]))
    token = f"{signed}.{vigie.b64(key.sign(signed.encode()))}"
    for step in vector.get("then", []):
        (do, what), = step.items()
        if do == "flip":
            parts = token.split(".")
            data = bytearray(vigie.unb64(parts[what["part"]], "bad vector"))
            data[what["bit"] // 8] ^= 1 << what["bit"] % 8
            parts[what["part"]] = vigie.b64(bytes(data))
            token = ".".join(parts)
        elif do == "signature":
            token = f"{token.rpartition('.')[0]}.{what}"
        else:
            token = {"last": token[:-1], "append": token}[do] + what
    return token


TOKENS = {kind: {vector["name"]: rebuild(vector) for vector in made["tokens"]}
          for kind, made in (("credentials", CREDENTIALS), ("messages", MESSAGES), ("login", LOGIN),
                             ("revocations", REVOCATIONS), ("rotations", ROTATIONS))}


def chain_tokens(names: list[str]) -> list[str]:
    return [TOKENS["credentials"][name] for name in names]


def sound_chain(names: list[str]) -> vigie.Chain:
    return vigie.verify_chain(chain_tokens(names), CREDENTIALS["roots"], NO_TEST_KEYS)


class Cases(unittest.TestCase):
    def check_all(self, cases: list[dict[str, Any]], judge: Callable[[dict[str, Any]], object]) -> None:
        """Every verdict, and that the repaired twin of a bad case is a case with the verdict `ok`."""
        good = {case["name"] for case in cases if case["verdict"] == "ok"}
        self.assertEqual(len(cases), len({case["name"] for case in cases}))
        for case in cases:
            with self.subTest(case["name"]):
                self.assertEqual(verdict(lambda: judge(case)), case["verdict"])
                if "repaired" in case:
                    self.assertIn(case["repaired"], good)


class Rebuild(unittest.TestCase):
    def test_keys(self) -> None:
        for key in load("keys")["keys"]:
            with self.subTest(key["name"]):
                made, public = seed(key["name"]), vigie.public_key(seed(key["name"]))
                jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{key["x"]}"}}'
                self.assertEqual([vigie.b64(one) for one in (made, public, vigie.sha(jwk))],
                                 [key["seed"], key["x"], key["thumbprint"]])
                self.assertIn(public, vigie.TEST_KEYS)
        _, part = (ROOT / "proto" / "PROTOCOL.md").read_text("utf-8").split("## 18. Test keys\n")
        listed = {vigie.unb64(line.split()[0], "no key", 32) for line in part.split("```")[1].splitlines()[1:]}
        self.assertEqual(vigie.TEST_KEYS, listed)

    def test_tokens_byte_for_byte(self) -> None:
        for kind, made in (("credentials", CREDENTIALS), ("messages", MESSAGES), ("login", LOGIN),
                           ("revocations", REVOCATIONS)):
            for vector in made["tokens"]:
                with self.subTest(f"{kind} {vector['name']}"):
                    token = TOKENS[kind][vector["name"]]
                    self.assertEqual(token, vector.get("token", token))
                    self.assertEqual([vigie.token_id(token), len(token.encode()), vigie.b64(vigie.sha(token))],
                                     [vector["id"], vector["bytes"], vector["sha256"]])

    def test_signatures_with_another_r(self) -> None:
        """That of the README of the vectors; without a twist it is the signature of the library."""
        neutral, of_order_two = (0, 1), (0, vigie.P - 1)
        for name, twist, steps in (("alert-town", neutral, 1), ("signature-r-small-order", neutral, 0),
                                   ("signature-r-mixed-order", of_order_two, 1)):
            with self.subTest(name):
                vector, = (one for one in MESSAGES["tokens"] if one["name"] == name)
                signed, _, given = TOKENS["messages"][name].rpartition(".")
                made = signature_with(twist, seed(vector["key"]), signed.encode(), steps)
                self.assertEqual(vigie.b64(made), given)

    def test_signing_emits_the_bytes_of_the_document(self) -> None:
        """What the client signs from a parsed payload is what the vectors hold, escapes included."""
        for kind, made, names in (("credentials", CREDENTIALS, ["town-live", "field-live", "extended"]),
                                  ("messages", MESSAGES, ["alert-town", "signal-field", "escapes", "original"]),
                                  ("login", LOGIN, ["bound", "unbound"])):
            for vector in (one for one in made["tokens"] if one["name"] in names):
                with self.subTest(f"{kind} {vector['name']}"):
                    header = json.loads(vector["header"])
                    key = Ed25519PrivateKey.from_private_bytes(seed(vector["key"]))
                    self.assertEqual(vigie.sign(key, header["kid"], header["typ"], json.loads(vector["payload"])),
                                     TOKENS[kind][vector["name"]])


class Grammars(unittest.TestCase):
    def test_ids(self) -> None:
        ids = load("ids")
        for good in ids["good"]:
            self.assertEqual(vigie.unb64(good["text"], "bad").hex(), good["hex"])
            self.assertEqual(vigie.b64(bytes.fromhex(good["hex"])), good["text"])
        for bad in ids["bad"]:
            with self.subTest(bad["why"]):
                self.assertEqual(verdict(lambda: vigie.unb64(bad["text"], "bad", bad["bytes"])), "bad")

    def test_cursors(self) -> None:
        cursors = load("cursors")
        for good in cursors["good"]:
            place = good["log"], good["seq"], good["admitted"]
            self.assertEqual(vigie.parse_cursor(good["text"]), place)
            self.assertEqual(vigie.make_cursor(*place), good["text"])
        for bad in cursors["bad"]:
            with self.subTest(bad["why"]):
                self.assertEqual(verdict(lambda: vigie.parse_cursor(bad["text"])), "malformed_cursor")

    def test_channels(self) -> None:
        channels = load("channels")
        for kind, grammar in (("channels", vigie.CHANNEL), ("filters", vigie.FILTER)):
            for expected, texts in (("ok", channels[kind]), ("malformed_channel", channels[f"bad_{kind}"])):
                for text in texts:
                    with self.subTest(f"{kind} {text!r}"):
                        self.assertEqual(verdict(lambda: vigie.parse_channel(text, grammar)), expected)

    def test_hear(self) -> None:
        for case in load("hear"):
            heard = [vigie.hears(case["filter"], case["channel"], severity) for severity in vigie.SEVERITIES]
            self.assertEqual(heard, case["heard"], case)

    def test_labels(self) -> None:
        for case in load("labels"):
            self.assertTrue(vigie.is_label(case["label"]), case)
            self.assertEqual(vigie.is_for(case["label"], case["org"]), case["heard"], case)


class Credentials(Cases):
    def test_cases(self) -> None:
        self.check_all(CREDENTIALS["cases"], lambda case: sound_chain(case["chain"]).check_good_at(case["at"]))

    def test_published_keys_are_refused(self) -> None:
        for case in CREDENTIALS["cases"]:
            if case["verdict"] == "ok":
                tokens = chain_tokens(case["chain"])
                self.assertEqual(verdict(lambda: vigie.verify_chain(tokens, CREDENTIALS["roots"])), "test_key")


class Messages(Cases):
    @staticmethod
    def judge(case: dict[str, Any]) -> vigie.Message:
        message = vigie.verify_message(TOKENS["messages"][case["token"]], sound_chain(case["chain"]),
                                       case["lifetime_max_ms"])
        message.check_admitted(case["admitted"])
        return message

    def test_cases(self) -> None:
        self.check_all(MESSAGES["cases"], self.judge)

    def test_ids(self) -> None:
        for case in MESSAGES["cases"]:
            if case["verdict"] == "ok":
                self.assertEqual(self.judge(case).id, case["id"])

    def test_replaces(self) -> None:
        cases = {case["name"]: case for case in MESSAGES["cases"]}
        for one in MESSAGES["replaces"]:
            with self.subTest(one["update"]):
                update, target = self.judge(cases[one["update"]]), self.judge(cases[one["target"]])
                self.assertEqual(update.takes_effect_on(target), one["takes_effect"])

    def test_an_exercise_says_so(self) -> None:
        for case in MESSAGES["cases"]:
            if case["verdict"] == "ok":
                message = self.judge(case)
                self.assertEqual("EXERCISE" in str(message), message.body["channel"].startswith("exercise/"))


class Login(Cases):
    @staticmethod
    def judge(case: dict[str, Any]) -> None:
        """Part 10, as the relay checks it: a client needs it only to know what it will be told."""
        chain, invalid = sound_chain(case["chain"]), "proof_invalid"
        chain.check_good_at(case["now"])
        vigie.need(chain[-1].body.get("role") != "relay", "not_granted")
        try:
            token = vigie.parse_token(TOKENS["login"][case["proof"]], "login")
            body = vigie.shape(vigie.strict_json(token.payload, invalid), "relay nonce:id binding", invalid)
            vigie.unb64(body["nonce"], invalid, 32)
            vigie.need(body["binding"] == "none" or vigie.unb64(body["binding"], invalid, 32), invalid)
            vigie.need(token.kid == chain[-1].token.id, invalid)
        except vigie.Refusal:
            raise vigie.Refusal(invalid) from None
        vigie.need(token.plane == chain[-1].token.plane, "wrong_plane")
        age = case["now"] - case["nonce_given"]
        vigie.need(body["nonce"] == case["nonce"] and age <= 30_000, "proof_replayed")
        vigie.need(body["relay"] in case["relay_names"], "wrong_relay_name")
        bound = "certificate" in case and vigie.b64(
            vigie.sha(vigie.unb64(case["certificate"], "bad vector"))) == body["binding"]
        vigie.need(bound or case["unbound_passes"] and body["binding"] == "none", "binding_mismatch")
        vigie.need(verdict(lambda: token.check_signature(chain[-1].key)) == "ok", invalid)

    def test_cases(self) -> None:
        self.check_all(LOGIN["cases"], self.judge)


vigie.RULES |= {"held": "log:log count:number"}


class Revocations(Cases):
    @staticmethod
    def judge(case: dict[str, Any]) -> revocations.Revocation:
        text = TOKENS["revocations"][case["token"]]
        return revocations.verify(text, sound_chain(case["chain"]), case["admitted"])

    def test_cases(self) -> None:
        self.check_all(REVOCATIONS["cases"], self.judge)

    def test_whom_they_meet(self) -> None:
        cases = {case["name"]: case for case in REVOCATIONS["cases"]}
        for one in REVOCATIONS["meets"]:
            with self.subTest(f"{one['revocation']} {one['chain']}"):
                self.assertEqual(self.judge(cases[one["revocation"]]).meets(sound_chain(one["chain"])), one.get("link"))

    def test_one_after_the_other(self) -> None:
        """As a relay admits them; and a reader, who takes all that verify in any order, disowns the same."""
        cases = {case["name"]: case for case in REVOCATIONS["cases"]}
        for one in REVOCATIONS["sequences"]:
            installed = [TOKENS["rotations"][name] for name in one["installed"]]
            roots = vigie.Roots(CREDENTIALS["roots"], installed, NO_TEST_KEYS)
            chain_of = lambda names: vigie.verify_chain(chain_tokens(names), roots, NO_TEST_KEYS)
            held: list[revocations.Revocation] = []
            for step in one["steps"]:
                case, verdict = cases[step["revocation"]], "ok"
                try:
                    issuer = chain_of(case["chain"])
                    new = revocations.verify(TOKENS["revocations"][case["token"]], issuer, one["admitted"])
                    apart = lambda old: (old.is_own() and old.issuer[-1].thumbprint == issuer[-1].thumbprint
                                         and old.issuer[0].thumbprint != issuer[0].thumbprint)
                    meeting = [old for old in held if old.meets(issuer) and old.id != new.id]
                    by_himself = lambda old: old.is_own() and (old.issuer[-1].thumbprint == issuer[-1].thumbprint
                                                               or len(old.issuer) == 1)
                    bars = lambda old: not new.is_own() or not by_himself(old) or not apart(old) and old.since <= new.since
                    vigie.need(not any(bars(old) for old in meeting), "revoked")
                    held.append(new)
                except vigie.Refusal as why: verdict = why.code
                with self.subTest(f"{one['name']} {step['revocation']}"): self.assertEqual(verdict, step["verdict"])
            chain, since = chain_of(one["chain"]), one.get("from")
            for order in itertools.permutations(held):
                first = revocations.disowner(chain, vigie.MAX_INT, order)
                with self.subTest(one["name"]): self.assertEqual(first and first.since, since)


class Rotations(Cases):
    def test_cases(self) -> None:
        def judge(case: dict[str, Any]) -> None:
            roots = vigie.Roots(CREDENTIALS["roots"], (), NO_TEST_KEYS)
            roots.learn(vigie.parse_rotation(TOKENS["rotations"][case["token"]]))
        self.check_all(ROTATIONS["cases"], judge)

    def test_what_follows_from_several(self) -> None:
        tokens = TOKENS["credentials"] | TOKENS["rotations"]
        for one in ROTATIONS["chains"]:
            with self.subTest(one["name"]):
                pinned = [vigie.thumbprint_of(vigie.b64(vigie.public_key(seed(name)))) for name in one["pinned"]]
                roots = vigie.Roots(pinned, [tokens[name] for name in one["installed"]], NO_TEST_KEYS)
                for name in one["given"]:
                    verdict(lambda: roots.learn(vigie.parse_rotation(tokens[name])))

                def judge() -> None:
                    links = [tokens[name] for name in one["chain"]]
                    vigie.verify_chain(links, roots, NO_TEST_KEYS).check_good_at(one["at"])
                self.assertEqual(verdict(judge), one["verdict"])

    def test_test_keys_are_refused(self) -> None:
        for name in ("to-heir", "to-stranger"):
            with self.assertRaisesRegex(vigie.Refusal, "test_key"):
                vigie.Roots(CREDENTIALS["roots"]).learn(vigie.parse_rotation(TOKENS["rotations"][name]))


CLIENT_FRAMES = {
    "login": "chain# proof mark_ms:number? revocations:held?", "revoke": "n:number jws chain#?", "subscribe": "n:number channels# after?", "publish": "n:number jws",
    "chain": "n:number chain#", "history": "n:number channels# after limit:number", "credential": "n:number id:id"}

RELAY_FRAMES = vigie.FRAMES | {  # with those that answer what the client never asks
    "revoked": "re:number id:id log:log admitted:number",
    "revocation": "log:log count:number seq:number admitted:number jws", "accepted": "re:number", "past": "re:number seq:number admitted:number jws", "page": "re:number next:cursor end:flag"}


def names(rule: str) -> list[str]:
    return ["op", *(name for name, *_ in vigie.MEMBER.findall(rule))]


def compact(frame: dict[str, Any]) -> str:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


class Frames(unittest.TestCase):
    def setUp(self) -> None:
        self.frames = load("frames")

    def test_good_frames_to_the_byte(self) -> None:
        for side, table in (("client", CLIENT_FRAMES), ("relay", RELAY_FRAMES)):
            self.assertEqual({vigie.parse_frame(one["text"], table)["op"] for one in self.frames[side]}, set(table))
            for one in self.frames[side]:
                with self.subTest(one["name"]):
                    frame = vigie.parse_frame(one["text"], table)
                    self.assertEqual(list(frame), [name for name in names(table[frame["op"]]) if name in frame])
                    self.assertEqual(compact(frame), one["text"])

    def test_refused(self) -> None:
        for one in self.frames["refused"]:
            with self.subTest(one["name"]):
                self.assertEqual(verdict(lambda: vigie.parse_frame(one["text"], CLIENT_FRAMES)), one["code"])
                try:
                    number = vigie.strict_json(one["text"], "not_json").get("n")
                except vigie.Refusal:
                    number = None
                self.assertEqual(number if one["re"] is not None else None, one["re"])

    def test_tolerated(self) -> None:
        for one in self.frames["tolerated"]:
            frame = vigie.parse_frame(one["text"], CLIENT_FRAMES)
            known = names(CLIENT_FRAMES[frame["op"]])
            self.assertEqual({name: value for name, value in frame.items() if name in known},
                             vigie.parse_frame(one["stands_for"], CLIENT_FRAMES))

    def test_skipped_and_violations(self) -> None:
        for text in self.frames["skipped"]:
            self.assertEqual(verdict(lambda: vigie.parse_frame(text, RELAY_FRAMES)), "unknown_operation")
        for text in self.frames["violations"]:
            with self.subTest(text):
                self.assertNotIn(verdict(lambda: vigie.parse_frame(text, RELAY_FRAMES)), ("ok", "unknown_operation"))


if __name__ == "__main__":
    unittest.main()
