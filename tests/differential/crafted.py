"""Keys and signatures at the edges of the curve, as lines of JSON: what an attacker makes who holds a secret scalar and
knows the points of small order. `crafted.py SEED COUNT`; the same arguments give the same lines.

The classes are those of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020). Written with B the base point,
T the points of small order: A = a B + T[k], R = r B + T[j], S = r + h a. Without the cofactor the equation holds when
h k + j is a multiple of 8, and with it always.
"""
from __future__ import annotations

import hashlib
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))
import vigie  # noqa: E402

P, L = vigie.P, vigie.ORDER
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]  # extended coordinates: X, Y, Z, T with x = X/Z, y = Y/Z, x y = T/Z
NEUTRAL: Point = (0, 1, 1, 0)


def affine(x: int, y: int) -> Point:
    return x, y, 1, x * y % P


BASE = affine(15112221349535400772501151409588531511454012693041857206046113283949847762202,
              46316835694926478169428394003475163141307993866256225615783033603165251855960)


def added(one: Point, other: Point) -> Point:
    """Hisil, Wong, Carter and Dawson, 2008: complete, so it doubles too."""
    (x1, y1, z1, t1), (x2, y2, z2, t2) = one, other
    a, b, c, d = (y1 - x1) * (y2 - x2), (y1 + x1) * (y2 + x2), 2 * D * t1 * t2, 2 * z1 * z2
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(count: int, point: Point) -> Point:
    total = NEUTRAL
    for bit in bin(count)[2:]:
        total = added(total, total)
        if bit == "1":
            total = added(total, point)
    return total


def encoded(point: Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, P)
    return (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")


def of_order_eight() -> Point:
    """The point with the y of PROTOCOL.md, part 5, and an even x (RFC 8032, section 5.1.3)."""
    y = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square
    return affine(x if x % 2 == 0 else P - x, y)


TORSION = [NEUTRAL]
for _ in range(7):
    TORSION.append(added(TORSION[-1], of_order_eight()))
assert encoded(added(TORSION[-1], TORSION[1])) == encoded(NEUTRAL)


def spelt(k: int) -> list[bytes]:
    """Every spelling of a point of small order: y may stand at or above the prime, and zero has no sign."""
    plain = encoded(TORSION[k])
    y, sign = int.from_bytes(plain, "little") % 2**255, plain[31] >> 7
    signs = (0, 1) if y in (1, P - 1) else (sign,)
    return [(number | sign << 255).to_bytes(32, "little") for number in (y, y + P) if number < 2**255 for sign in signs]


class Maker:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.secrets = [(scalar := self.scalar(), times(scalar, BASE)) for _ in range(8)]

    def scalar(self) -> int:
        return self.chance.randrange(1, L)

    def signed(self) -> str:
        header = {"alg": self.chance.choice(("EdDSA", "Ed25519")), "kid": vigie.b64(self.chance.randbytes(32)),
                  "typ": f"vigie-message-{self.chance.choice(('live', 'exercise'))}-v1"}
        payload = self.chance.randbytes(self.chance.randrange(40))
        return f"{vigie.b64(json.dumps(header, separators=(',', ':')).encode())}.{vigie.b64(payload)}"

    def make(self) -> dict[str, str]:
        kind = self.chance.randrange(8)
        (a, plain), k, j, plus = self.chance.choice(self.secrets), 0, 0, 0
        r, wanted, name = self.scalar(), None, "sound"
        if kind in (1, 2):  # a key with a part of small order: sound without the cofactor, or with it only
            k, wanted = self.chance.randrange(1, 8), kind == 1
            name = "mixed-key" if wanted else "mixed-key-cofactor-only"
        elif kind == 3:
            j, name = self.chance.randrange(1, 8), "mixed-r-cofactor-only"
        elif kind == 4:
            # The neutral one is as good a signature as any, but for the rule.
            j, r, name = self.chance.choice((0, 0, 0, self.chance.randrange(8))), 0, "small-r"
        elif kind == 5:  # everybody can sign for it
            a, plain, k, wanted, name = 0, NEUTRAL, self.chance.randrange(8), True, "small-key"
        elif kind == 6:
            a, plain, k, r, wanted, name = 0, NEUTRAL, self.chance.randrange(8), 0, True, "small-key-small-r"
        elif kind == 7:
            plus, name = self.chance.randrange(1, 15), "s-plus-order"
        public = self.chance.choice(spelt(k)) if plain == NEUTRAL else encoded(added(plain, TORSION[k]))
        for _ in range(400):
            signed = self.signed()
            if wanted is not None:
                j = self.chance.randrange(8)
            elif kind not in (3, 4):
                j = 0
            big = self.chance.choice(spelt(j)) if r == 0 else encoded(added(times(r, BASE), TORSION[j]))
            h = int.from_bytes(hashlib.sha512(big + public + signed.encode()).digest(), "little") % L
            if wanted is None or wanted == ((h * k + j) % 8 == 0):
                break
            r = r and self.scalar()
        s = (r + h * a) % L + plus * L
        token = f"{signed}.{vigie.b64(big + s.to_bytes(32, 'little'))}"
        return {"made": f"crafted-{name}", "key": vigie.b64(public), "token": token}


def main() -> None:
    maker = Maker(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        print(json.dumps(maker.make()))


if __name__ == "__main__":
    main()
