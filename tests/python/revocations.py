"""Revocations (part 7 of the document): what they say, whom they meet, and what a reader disowns for them (part 12)."""
from __future__ import annotations

from typing import Iterable, NamedTuple

import vigie


class Revocation(NamedTuple):
    id: str; issuer: vigie.Chain; target: dict[str, str]; since: int

    def is_own(self) -> bool:
        return self.target in ({"credential": self.issuer[-1].token.id}, {"key": self.issuer[-1].thumbprint})

    def meets(self, chain: vigie.Chain) -> str | None:
        """The id of the link of `chain` that it ends; that of the root when it ends a root before it."""
        by, roots, root = self.issuer[-1].thumbprint, len(chain.before), chain[0].token.id
        line = [(root, key) for key in chain.before] + [(link.token.id, link.thumbprint) for link in chain]
        for depth, (link, key) in enumerate(line if self.issuer[-1].token.plane == chain[-1].token.plane else []):
            above = any(by == up and (at >= roots or len(self.issuer) == 1) for at, (_, up) in enumerate(line[:depth]))
            if (by == key or above) and (self.target == {"key": key} or depth >= roots and self.target == {"credential": link}):
                return link
        return None


def verify(text: str, issuer: vigie.Chain, admitted: int) -> Revocation:
    bad = "malformed_revocation"
    vigie.need(len(text) <= 1_024, bad)
    token = vigie.parse_token(text, "revocation")
    body = vigie.shape(vigie.strict_json(token.payload, bad), vigie.RULES["revocation"], bad)
    vigie.need(len(body["target"]) == 1 and body["number"] >= 1, bad)
    vigie.need(token.kid == issuer[-1].token.id, "unknown_credential")
    vigie.need(token.plane == issuer[-1].token.plane, "wrong_plane")
    token.check_signature(issuer[-1].key)
    vigie.need(body["from"] <= admitted + vigie.SKEW_MS, "sent_in_future")
    found = Revocation(token.id, issuer, body["target"], body["from"])
    issuer.check_good_at(admitted, even_after_root=found.is_own())
    return found


def disowner(chain: vigie.Chain, admitted: int, held: Iterable[Revocation]) -> Revocation | None:
    """The one that reaches back furthest of those that meet it, if it was admitted since then."""
    meeting = min(((one.since, one.id, one) for one in held if one.meets(chain)), default=None)
    return meeting[2] if meeting and meeting[0] <= admitted else None
