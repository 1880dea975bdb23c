"""Edge-case keys and signatures: proto/vectors/signatures.json, rebuilt, and judged by the client's own checks.

The table is frozen, and drives relay, SDK and this client alike: one verdict everywhere. Its classes are those of
"Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020), made with keys of our own and put into whole tokens.
`VIGIE_WRITE_VECTORS=1` writes it instead of comparing.
"""
from __future__ import annotations

import hashlib
import json
import math
import os
import unittest
from typing import Any, Callable, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import test_vectors as vectors
import vigie

TABLE = vectors.VECTORS / "signatures.json"
P, L = vigie.P, vigie.ORDER
NOW = 1_800_000_000_000
NEUTRAL: vectors.Point = (0, 1)


def recovered(y: int) -> vectors.Point | None:
    """The point with this y and an even x, if there is one (RFC 8032, section 5.1.3)."""
    square = (y * y - 1) * pow(-121665 * pow(121666, -1, P) * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (x if x % 2 == 0 else P - x, y) if (x * x - square) % P == 0 else None


def encoded(point: vectors.Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def bits(y: int, sign: int) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


def lenient(public: bytes) -> vectors.Point | None:
    """As a reader that checks nothing: y is reduced, and a sign that zero does not have is passed over."""
    number = int.from_bytes(public, "little")
    if (point := recovered(number % 2**255 % P)) is None: return None
    return (P - point[0]) % P if number >> 255 else point[0], point[1]


def equation(public: bytes, signed: str, sig: bytes) -> str:
    """What a lenient verifier makes of it: S B = R + h A holds as it stands (plain), times eight only (cofactor), or
    not at all (never)."""
    key_point, r = lenient(public), lenient(sig[:32])
    if len(sig) != 64 or key_point is None or r is None: return "never"
    h = int.from_bytes(hashlib.sha512(sig[:32] + public + signed.encode()).digest(), "little") % L
    left = vectors.times(int.from_bytes(sig[32:], "little") % L, vectors.BASE)
    minus = vectors.added(r, vectors.times(h, key_point))
    rest = vectors.added(left, ((P - minus[0]) % P, minus[1]))
    return "plain" if rest == NEUTRAL else "cofactor" if vectors.times(8, rest) == NEUTRAL else "never"


TORSION = [NEUTRAL]  # the eight points of small order, multiples of the second
for _ in range(7):
    TORSION.append(vectors.added(TORSION[-1], recovered(int.from_bytes(bytes.fromhex(
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"))))
SMALL = {f"{8 // math.gcd(8, k)}-{k}": (k, encoded(point)) for k, point in enumerate(TORSION)}
# Other spellings of four of them: y at or above the prime, or a sign that zero does not have.
SMALL |= {"1-sign": (0, bits(1, 1)), "2-sign": (4, bits(P - 1, 1)), "4-as-p": (2, bits(P, 0)),
          "4-as-p-sign": (6, bits(P, 1)), "1-as-p-plus-1": (0, bits(P + 1, 0)),
          "1-as-p-plus-1-sign": (0, bits(P + 1, 1))}
assert [point for k, public in SMALL.values() if (point := lenient(public)) != TORSION[k]] == []
SPELT = next(y for y in range(2, 19) if recovered(y))  # a point of large order that can be spelt P + y too


class Key(NamedTuple):
    """A secret scalar, and the public key as spelt: `scalar` B plus TORSION[twist]."""
    scalar: int
    twist: int
    public: bytes


def secret(name: str) -> int:
    digest = hashlib.sha512(vectors.seed(name)).digest()
    return int.from_bytes(digest[:32], "little") & ~7 & 2**254 - 1 | 2**254


def key(twist: int) -> Key:
    scalar = secret("town-live")
    return Key(scalar, twist, encoded(vectors.added(vectors.times(scalar, vectors.BASE), TORSION[twist])))


def hashed(r: bytes, by: Key, signed: str) -> int:
    return int.from_bytes(hashlib.sha512(r + by.public + signed.encode()).digest(), "little") % L


def signature(by: Key, signed: str, wanted: Callable[[int], bool] = lambda rest: rest == 0, twist: int = 0,
              plus: int = 0) -> bytes:
    """R = r B + TORSION[twist], S = r + h a (+ `plus`). S B = R + h A holds without cofactor when what is left of
    twists is zero, and with it always: `wanted` chooses by that rest, 0 to 7, and r is tried until it is met."""
    for r in range(1, 1000):
        r = int.from_bytes(hashlib.sha512(b"%d" % r + by.public + signed.encode()).digest(), "little") % L
        big = encoded(vectors.added(vectors.times(r, vectors.BASE), TORSION[twist]))
        h = hashed(big, by, signed)
        if wanted((h * by.twist + twist) % 8):
            return big + ((r + h * by.scalar) % L + plus).to_bytes(32, "little")
    raise AssertionError("no such signature")


def with_r(by: Key, signed: str, r: bytes) -> bytes:
    """R as given, of small order, and the S that fits it."""
    return r + (hashed(r, by, signed) * by.scalar % L).to_bytes(32, "little")


def signing_input(header: dict[str, Any], payload: dict[str, Any]) -> str:
    texts = (json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode() for part in (header, payload))
    return ".".join(map(vigie.b64, texts))


def payload_of(kind: str, name: str) -> dict[str, Any]:
    made = {"credentials": vectors.CREDENTIALS, "messages": vectors.MESSAGES}[kind]
    return json.loads(next(one for one in made["tokens"] if one["name"] == name)["payload"])


LOGIN = {"relay": "relay.vigie.example", "nonce": vigie.b64(bytes([5] * 32)), "binding": vigie.b64(bytes([3] * 32))}
MESSAGE = payload_of("messages", "alert-town")
Sign = Callable[[str], bytes]


class Maker:
    def __init__(self) -> None:
        self.credentials: list[dict[str, str]] = []
        self.cases: list[dict[str, str]] = []
        self.above = vectors.chain_tokens(["root-live", "nation-live"])
        self.nation = Ed25519PrivateKey.from_private_bytes(vectors.seed("nation-live"))
        self.ids: dict[str, str] = {}

    def credential(self, name: str, public: bytes, login: str, proof: Sign, by: Sign | None = None) -> None:
        """A credential for a key, signed by nation-live, or as `by` signs; and a log-in proof of that key."""
        payload = payload_of("credentials", "town-live")
        payload["sub"]["x"], kid = vigie.b64(public), payload["parent"]
        signed = signing_input({"alg": "EdDSA", "kid": kid, "typ": "vigie-credential-live-v1"}, payload)
        token = f"{signed}.{vigie.b64(by(signed) if by else self.nation.sign(signed.encode()))}"
        self.ids[name] = vigie.token_id(token)
        proven = signing_input({"alg": "EdDSA", "kid": self.ids[name], "typ": "vigie-login-live-v1"}, LOGIN)
        self.credentials.append({"name": name, "key": public.hex(), "token": token, "login": login,
                                 "proof": f"{proven}.{vigie.b64(proof(proven))}"})

    def case(self, name: str, why: str, credential: str, verdict: str, sign: Sign, message: Any = MESSAGE) -> None:
        header = {"alg": "EdDSA", "kid": self.ids[credential], "typ": "vigie-message-live-v1"}
        signed = signing_input(header, message)
        public = next(bytes.fromhex(one["key"]) for one in self.credentials if one["name"] == credential)
        self.cases.append({"name": name, "why": why, "credential": credential, "verdict": verdict,
                           "equation": equation(public, signed, made := sign(signed)),
                           "token": f"{signed}.{vigie.b64(made)}"})


def keys(make: Maker) -> None:
    """Every spelling of every point of small order: with such a key any r gives a signature of anybody's message."""
    for name, (k, public) in SMALL.items():
        nobody = Key(0, k, public)
        make.credential(f"key-of-order-{name}", public, "key_refused", lambda signed, by=nobody: signature(by, signed))
        make.case(f"key-of-order-{name}", "key of small order: everybody can sign for it", f"key-of-order-{name}",
                  "key_refused", lambda signed, by=nobody: signature(by, signed))
    neutral = Key(0, 0, encoded(NEUTRAL))
    make.case("all-small", "key and R neutral, S zero: fits every message", "key-of-order-1-0", "key_refused",
              lambda signed: with_r(neutral, signed, encoded(NEUTRAL)))
    anything = lambda signed: signature(key(0), signed)
    for name, y, sign in (("p-plus-y", P + SPELT, 0), ("p-plus-y-sign", P + SPELT, 1), ("largest", 2**255 - 1, 0),
                          ("all-ones", 2**255 - 1, 1)):
        make.credential(f"key-{name}", bits(y, sign), "key_refused", anything)
        make.case(f"key-{name}", "key not canonical: y is not below the prime", f"key-{name}", "key_refused", anything)
    off = next(y for y in range(2, 100) if recovered(y) is None)
    make.credential("key-no-point", bits(off, 0), "proof_invalid", anything)
    make.case("key-no-point", "key on no point: nothing verifies under it", "key-no-point", "bad_signature", anything)
    for k in (4, 2, 1):
        by, name, order = key(k), f"key-mixed-{8 // k}", 8 // k
        make.credential(name, by.public, "ok", lambda signed, by=by: signature(by, signed))
        make.case(f"{name}-left-nothing", f"key with a part of order {order}, and a hash that takes it away: sound "
                  "without cofactor", name, "ok", lambda signed, by=by: signature(by, signed))
        make.case(f"{name}-left-something", f"key with a part of order {order}: sound with cofactor only", name,
                  "bad_signature", lambda signed, by=by: signature(by, signed, lambda rest: rest != 0))
        make.case(f"{name}-and-r", f"key and R with parts of order {order} that take each other away: sound without "
                  "cofactor", name, "ok", lambda signed, by=by, k=k: signature(by, signed, twist=k))
        make.case(f"{name}-and-r-left-something", "key and R with parts that do not: sound with cofactor only", name,
                  "bad_signature", lambda signed, by=by, k=k: signature(by, signed, lambda rest: rest != 0, twist=k))
    small_r(make, key(1))


def small_r(make: Maker, by: Key) -> None:
    """R of order 8 that a key with such a part takes away: sound by the plain equation, and refused all the same."""
    header = {"alg": "EdDSA", "kid": make.ids["key-mixed-8"], "typ": "vigie-message-live-v1"}
    for number in range(1000):
        message = json.loads(json.dumps(MESSAGE))
        message["content"]["cap"]["identifier"] = f"essai-{number}"
        h = hashed(SMALL["8-1"][1], by, signing_input(header, message))
        if (h * by.twist + 1) % 8 == 0:
            make.case("key-mixed-8-r-small", "R of small order, sound without cofactor: a signature for many messages",
                      "key-mixed-8", "bad_signature", lambda signed: with_r(by, signed, SMALL["8-1"][1]), message)
            return


def signatures(make: Maker) -> None:
    """What may be wrong with a signature under an honest key."""
    by = key(0)
    plain = lambda signed: signature(by, signed)
    make.credential("plain", by.public, "ok", plain)
    make.case("plain", "nothing wrong", "plain", "ok", plain)
    for name, (_, r) in SMALL.items():
        make.case(f"r-of-order-{name}", "R of small order", "plain", "bad_signature",
                  lambda signed, r=r: with_r(by, signed, r))
    for k in (4, 2, 1):
        make.case(f"r-mixed-{8 // k}", f"R with a part of order {8 // k}: sound with cofactor only", "plain",
                  "bad_signature", lambda signed, k=k: signature(by, signed, lambda _: True, twist=k))
    make.case("r-not-canonical", "R not canonical: y is not below the prime", "plain", "bad_signature",
              lambda signed: with_r(by, signed, bits(P + SPELT, 0)))
    make.case("r-sign", "R with the other sign", "plain", "bad_signature",
              lambda signed: bytes((one := plain(signed))[:31]) + bytes([one[31] ^ 128]) + one[32:])
    for k in (1, 2, 7, 8, 14):
        make.case(f"s-plus-{k}-l", f"S plus {k} times the order of the group", "plain", "bad_signature",
                  lambda signed, k=k: signature(by, signed, plus=k * L))
    for name, s in (("zero", 0), ("order", L), ("all-ones", 2**256 - 1)):
        make.case(f"s-{name}", f"S is {name}", "plain", "bad_signature",
                  lambda signed, s=s: plain(signed)[:32] + s.to_bytes(32, "little"))
    make.case("all-zero", "64 zero bytes", "plain", "bad_signature", lambda _: bytes(64))
    for name, cut in (("empty", lambda one: b""), ("63", lambda one: one[:63]), ("65", lambda one: one + b"\0"),
                      ("twice", lambda one: one * 2)):
        make.case(f"length-{name}", "an Ed25519 signature has 64 bytes", "plain", "malformed_token",
                  lambda signed, cut=cut: cut(plain(signed)))


def links(make: Maker) -> None:
    """The same one level up: the signature of a credential."""
    by, honest = key(0), Key(secret("nation-live"), 0, vigie.public_key(vectors.seed("nation-live")))
    for name, why, wrong in (
            ("link-s-plus-l", "S of a credential plus the order", lambda signed: signature(honest, signed, plus=L)),
            ("link-r-neutral", "R of a credential neutral", lambda signed: with_r(honest, signed, SMALL["1-0"][1])),
            ("link-r-mixed", "R of a credential with a part of order 8",
             lambda signed: signature(honest, signed, lambda _: True, twist=1))):
        make.credential(name, by.public, "bad_signature", lambda signed: signature(by, signed), wrong)
        make.case(name, why, name, "bad_signature", lambda signed: signature(by, signed))


def table() -> dict[str, Any]:
    make = Maker()
    for part in (keys, signatures, links):
        part(make)
    warning = json.loads((vectors.VECTORS / "keys.json").read_text("utf-8"))["warning"]
    return {"TEST-ONLY": True, "warning": warning, "roots": vectors.CREDENTIALS["roots"], "above": make.above,
            "at": NOW, "login": LOGIN, "credentials": make.credentials, "cases": make.cases}


class Signatures(unittest.TestCase):
    def test_the_table_is_what_the_seeds_give(self) -> None:
        text = json.dumps(table(), ensure_ascii=False, indent=2) + "\n"
        if "VIGIE_WRITE_VECTORS" in os.environ:
            TABLE.write_text(text, "utf-8")
        self.assertTrue(TABLE.read_text("utf-8") == text, "run with VIGIE_WRITE_VECTORS=1 and read the difference")

    def test_verdicts(self) -> None:
        made = json.loads(TABLE.read_text("utf-8"))
        leaves = {one["name"]: one for one in made["credentials"]}
        for case in made["cases"]:
            with self.subTest(case["name"]):
                def judge() -> None:
                    chain = vigie.verify_chain([*made["above"], leaves[case["credential"]]["token"]], made["roots"],
                                               vectors.NO_TEST_KEYS)
                    vigie.verify_message(case["token"], chain).check_admitted(made["at"])
                self.assertEqual(vectors.verdict(judge), case["verdict"])

    def test_log_ins(self) -> None:
        made = json.loads(TABLE.read_text("utf-8"))
        for leaf in made["credentials"]:
            with self.subTest(leaf["name"]):
                def judge() -> None:
                    chain = vigie.verify_chain([*made["above"], leaf["token"]], made["roots"], vectors.NO_TEST_KEYS)
                    proof = vigie.parse_token(leaf["proof"], "login")
                    sound = vectors.verdict(lambda: proof.check_signature(chain[-1].key)) == "ok"
                    vigie.need(sound, "proof_invalid")
                self.assertEqual(vectors.verdict(judge), leaf["login"])


if __name__ == "__main__":
    unittest.main()
