"""A client of the Vigie relay, written from proto/PROTOCOL.md alone ("part N" below is a part of that page)."""
from __future__ import annotations
import asyncio, base64, collections, contextlib, datetime, hashlib, itertools, json, pathlib, random, re, ssl, time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, NamedTuple
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
import revocations

MAX_INT, MAX_FRAME, MAX_MESSAGE, MAX_CREDENTIAL, MAX_LINKS, MAX_DEPTH = 2**53 - 1, 263_168, 262_144, 1_280, 8, 16
WEEK_MS, SKEW_MS, STALE, CHAINS = 604_800_000, 120_000, 2.4, 32
SEVERITIES = ("Minor", "Moderate", "Severe", "Extreme")
TLP = ("TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED")
TEMPORARY = frozenset("login_timeout proof_replayed busy rate_limited full clock_suspect storage_failed going_away unresponsive "
                      "too_many_strangers too_many_sessions too_many_connections too_many_from_address".split())
class Refusal(Exception):
    """A code of part 15: the relay's answer, or what a reader's own check found."""
    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, printable(detail))
        self.code = code
class LineBroken(Exception):
    """(code, why): the connection ended, went stale or broke the protocol; `code` is what the relay said, or empty."""
    code = property(lambda self: self.args[0])
def need(condition: object, code: str) -> None:
    if not condition: raise Refusal(code)
def passes(check: Callable[..., object], *given: Any) -> bool:
    try: check(*given)
    except Refusal: return False
    return True
def printable(text: str) -> str:  # strangers write into details: no control, no bidirectional characters
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

# -- Parts 3 and 4: base64url, strict JSON, channels, cursors ----------------------------------------------------------
def b64(data: bytes) -> str: return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
def unb64(text: Any, code: str, size: int | None = None) -> bytes:
    try: data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (TypeError, ValueError): raise Refusal(code) from None
    need(b64(data) == text and size in (None, len(data)), code)  # encoding again refuses every other spelling
    return data
def sha(data: bytes | str) -> bytes: return hashlib.sha256(data.encode() if isinstance(data, str) else data).digest()
def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)
def strict_json(text: bytes | str, code: str) -> dict[str, Any]:
    """One object; `duplicate_member`, or `code` for all else that is not strict JSON."""
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(found)) == len(found), "duplicate_member")
        return dict(found)
    def integer(digits: str) -> int:
        return int(digits) if digits != "-0" and len(digits) <= 17 and abs(int(digits)) <= MAX_INT else refuse(digits)
    def refuse(_: str) -> Any: raise Refusal(code)
    try:
        value = json.loads(text.decode() if isinstance(text, bytes) else text, object_pairs_hook=pairs,
                           parse_int=integer, parse_float=refuse, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()  # fails on lone surrogates
        need(isinstance(value, dict) and depth(value) <= MAX_DEPTH, code)
    except (ValueError, RecursionError): raise Refusal(code) from None
    return value
PLACE = re.compile(r"[a-z0-9-]{1,32}(?:\.[a-z0-9-]{1,32}){0,7}")
CHANNEL = re.compile(rf"(exercise/)?(alert|signal)/({PLACE.pattern})")
FILTER = re.compile(CHANNEL.pattern + r"(\.\*\*)?")
def inside(place: str, area: str) -> bool: return place == area or place.startswith(area + ".")
def parse_channel(text: str, grammar: re.Pattern[str] = CHANNEL) -> tuple[str, ...]:
    """(plane, flow, place), and for a filter ".**" or ""."""
    if (match := grammar.fullmatch(text)) is None: raise Refusal("malformed_channel")
    return "exercise" if match[1] else "live", *(part or "" for part in match.groups()[1:])
def hears(listening: str, channel: str, severity: str) -> bool:
    plane, flow, area, below = parse_channel(listening, FILTER)
    *same, place = parse_channel(channel)
    further = inside(area, place) if flow == "alert" else inside(place, area) and severity in SEVERITIES[2:]
    return same == [plane, flow] and (place == area or further or below != "" and inside(place, area))
def make_cursor(log: str, seq: int, admitted: int) -> str:
    return b64(b"\1" + unb64(log, "malformed_cursor", 16) + seq.to_bytes(8, "big") + admitted.to_bytes(8, "big"))
def parse_cursor(text: Any) -> tuple[str, int, int]:
    raw = unb64(text, "malformed_cursor", 33)
    seq, admitted = int.from_bytes(raw[17:25], "big"), int.from_bytes(raw[25:], "big")
    need(raw[0] == 1 and seq <= MAX_INT and admitted <= MAX_INT and (seq or not admitted), "malformed_cursor")
    return b64(raw[1:17]), seq, admitted

# The members of an object, each name[:kind][how many][?]. A kind is a check of KINDS ("text" if none), a rule of RULES,
# or words to choose from. How many: # any array, +n an array of 1 to n, *n the same or absent. ?: optional.
MEMBER = re.compile(r"(\w+)(?::([\w|]+))?([#*+]?)(\d*)(\??)(?: |$)")
SEVERITY = "|".join(SEVERITIES)
RULES = {
    "credential": "sub:jwk org:place name:str role:author|relay? parent:id? grants:grant# plane:live|exercise "
                  "not_before:number expires:number ext:object?", "jwk": "crv:Ed25519| kty:OKP| x:id",
    "rotation": "root:jwk successor:jwk from:number until:number? ext:object?", "target": "credential:id? key:id?",
    "revocation": "target:target from:number number:number reason:keyCompromise|affiliationChanged|superseded|"
                  "cessationOfOperation|privilegeWithdrawn? ext:object?",
    "grant": f"flow:alert|signal at:place publish:{SEVERITY}? subscribe:flag? delegate:byte?",
    "message": f"channel:str sent:number expires:number severity:{SEVERITY} label:label replaces:id#? content:any "
               "ext:object? prev:any? cosignatures:any? sealed:any?", "label": "tlp:tlp audience:place+16?",
    "content": "cap:alert original:original?", "original": "media_type:str sha256:id bytes?",
    "alert": "identifier:full sender:full sent:moment status:Actual|Exercise|System|Test|Draft references? incidents? "
             "msgType:Alert|Update|Cancel|Ack|Error scope:Public|Restricted|Private restriction? addresses? code*64 "
             "source? note? info:info*64", "pair": "valueName:full value",
    "info": "category:Geo|Met|Safety|Security|Rescue|Fire|Health|Env|Transport|Infra|CBRNE|Other+12 event:full "
            "responseType:Shelter|Evacuate|Prepare|Execute|Avoid|Monitor|Assess|AllClear|None*9 senderName? audience? "
            f"urgency:Immediate|Expected|Future|Past|Unknown severity:{SEVERITY}|Unknown instruction? web? headline? "
            "certainty:Observed|Likely|Possible|Unlikely|Unknown eventCode:pair*64 effective:moment? onset:moment? "
            "language? expires:moment? description? contact? parameter:pair*512 resource:resource*32 area:area*1024",
    "resource": "resourceDesc:full mimeType:full size? uri? derefUri? digest?",
    "area": "areaDesc polygon*256 circle*256 geocode:pair*6144 altitude? ceiling?"}
KINDS: dict[str, Callable[[Any], bool]] = {
    "any": lambda v: True, "flag": lambda v: isinstance(v, bool), "object": lambda v: isinstance(v, dict),
    "text": lambda v: isinstance(v, str) and not re.search(r"[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", v),  # as XML
    "str": lambda v: isinstance(v, str), "tlp": lambda v: v in TLP, "cursor": lambda v: passes(parse_cursor, v),
    "full": lambda v: KINDS["text"](v) and v.strip() != "",  # strips the white space of part 8 and U+001C to U+001F
    "number": lambda v: type(v) is int and 0 <= v <= MAX_INT, "byte": lambda v: type(v) is int and 0 <= v <= 255,
    "id": lambda v: passes(unb64, v, "", 32), "log": lambda v: passes(unb64, v, "", 16),
    "place": lambda v: isinstance(v, str) and bool(PLACE.fullmatch(v)), "moment": lambda v: is_moment(v)}
MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T)(24(?=:00:00)|[01][0-9]|2[0-3])(:[0-5][0-9]:[0-5][0-9])"
                    r"[+-](?:14:00|(?:0[0-9]|1[0-3]):[0-5][0-9])")
def is_moment(text: Any) -> bool:
    try:
        match = isinstance(text, str) and MOMENT.fullmatch(text)
        return bool(match and datetime.datetime.fromisoformat(match[1] + match[2].replace("24", "00") + match[3]))
    except ValueError: return False  # no such day
def shape(value: Any, rule: str, code: str, strict: bool = True) -> dict[str, Any]:
    need(isinstance(value, dict), code)
    known = {name: rest for name, *rest in MEMBER.findall(rule)}
    need(not strict or value.keys() <= known.keys(), "unknown_member")
    for name, (kind, many, most, optional) in known.items():
        need(name in value or optional or many == "*", code)
        items = value.get(name, []) if many or name not in value else [value[name]]
        need(isinstance(items, list) and (most == "" or name not in value or 1 <= len(items) <= int(most)), code)
        for one in items:
            need(one in kind.strip("|").split("|") if "|" in kind else shape(one, RULES[kind], code) if kind in RULES
                 else KINDS[kind or "text"](one), code)
    return value

# -- Part 5: keys and tokens -------------------------------------------------------------------------------------------
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
TYP = re.compile(r"vigie-(message|credential|login|revocation|rotation)-(live|exercise)-v1")
SMALL = {0, 1, P - 1, *(int.from_bytes(bytes.fromhex(y), "little") for y in (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"))}
def sound_point(encoded: bytes) -> bool:
    return (y := int.from_bytes(encoded, "little") % 2**255) < P and y not in SMALL
class Token(NamedTuple):
    kid: str; plane: str; id: str; signed: bytes; payload: bytes; signature: bytes
    def check_signature(self, key: bytes) -> None:
        try:
            reduced = int.from_bytes(self.signature[32:], "little") < ORDER
            need(reduced and sound_point(self.signature[:32]), "bad_signature")
            Ed25519PublicKey.from_public_bytes(key).verify(self.signature, self.signed)
        except InvalidSignature: raise Refusal("bad_signature") from None
def token_id(text: str) -> str: return b64(sha(text.rpartition(".")[0]))
def parse_token(text: str, kind: str) -> Token:
    bad, parts = "malformed_token", text.split(".")
    need(len(parts) == 3, bad)
    need(b"\\" not in (raw := unb64(parts[0], bad)), bad)
    header = shape(strict_json(raw, bad), "alg:EdDSA|Ed25519 kid typ", bad)
    if (typ := TYP.fullmatch(header["typ"])) is None: raise Refusal("wrong_type")
    unb64(header["kid"], bad, 32)
    need(typ[1] == kind, "wrong_type")
    payload, signature = unb64(parts[1], bad), unb64(parts[2], bad, 64)
    return Token(header["kid"], typ[2], token_id(text), f"{parts[0]}.{parts[1]}".encode(), payload, signature)
def sign(key: Ed25519PrivateKey, kid: str, typ: str, payload: dict[str, Any]) -> str:
    """`payload` in the order of its table; Python escapes strings the way part 5 asks for."""
    texts = ({"alg": "EdDSA", "kid": kid, "typ": typ}, payload)
    signed = ".".join(b64(json.dumps(text, ensure_ascii=False, separators=(",", ":")).encode()) for text in texts)
    return f"{signed}.{b64(key.sign(signed.encode()))}"

# -- Parts 6, 7 and 18: credentials and chains -------------------------------------------------------------------------
def public_key(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
TEST_KEYS = frozenset(public_key(sha(f"Vigie TEST-ONLY {name}")) for name in ("root-live root-exercise nation-live "
    "nation-exercise town-live town-exercise field-live stranger-live heir-live heir-of-heir-live").split()) | {unb64(x, "") for x in (  # RFCs
        "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
        "_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU", "J4EX_BRMcjQPZ9DyMW6Dhs7_vyskKMnFH-98WX8dQm4",
        "7Bcrk61eVjv0kyxw4SRQNMNUZ-8u_U1k6_gZaDRn4r8", "38lCXk-Wj38MKfAlnPX5rtaFHCu0rYv7hgz-4KskgpI",
        "Dx0SdJQ7kUFYiRUuiT2A6TJ1ofwLZf1xtLDdoQrX13I")}
class Credential(NamedTuple):
    token: Token; key: bytes; thumbprint: str; body: dict[str, Any]
    def fits_in(self, above: Credential) -> bool:
        mine, its = self.body, above.body
        return (mine["plane"] == its["plane"] and its.get("role") != "relay" and inside(mine["org"], its["org"])
                and its["not_before"] <= mine["not_before"] and mine["expires"] <= its["expires"]
                and any(grant.get("delegate", 0) >= 1 for grant in its["grants"])
                and all(any(one["flow"] == other["flow"] and inside(one["at"], other["at"]) and rank(one) <= rank(other)
                            and one.get("subscribe", False) <= other.get("subscribe", False)
                            and one.get("delegate", 0) < other.get("delegate", 0) for other in its["grants"])
                        for one in mine["grants"]))
def rank(grant: dict[str, Any]) -> int: return SEVERITIES.index(grant["publish"]) if "publish" in grant else -1
def thumbprint_of(x: str) -> str: return b64(sha(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'))
def parse_credential(text: str) -> Credential:
    bad = "malformed_credential"
    need(len(text.encode()) <= MAX_CREDENTIAL, "credential_too_large")
    token = parse_token(text, "credential")
    body = shape(strict_json(token.payload, bad), RULES["credential"], bad)
    need(token.plane == body["plane"], "wrong_plane")
    key, thumbprint = unb64(x := body["sub"]["x"], bad), thumbprint_of(x)
    need(sound_point(key), "key_refused")
    need(token.kid == body.get("parent", thumbprint), bad)
    need(len(body["name"].encode()) <= 64 and len(body["grants"]) <= 16, bad)
    return Credential(token, key, thumbprint, body)
class Rotation(NamedTuple):
    plane: str; old: str; new: str; keys: frozenset[bytes]; body: dict[str, Any]; text: str
def parse_rotation(text: str) -> Rotation:
    """Sound and signed by the root that it names; whether it counts says `Roots`."""
    bad = "malformed_rotation"
    need(len(text) <= 1_024, bad)
    token = parse_token(text, "rotation")
    body = shape(strict_json(token.payload, bad), RULES["rotation"], bad)
    old, new = body["root"]["x"], body["successor"]["x"]
    need(sound_point(unb64(old, bad)) and sound_point(unb64(new, bad)), "key_refused")
    need(token.kid == thumbprint_of(old) and old != new and body["from"] < body.get("until", MAX_INT + 1), bad)
    token.check_signature(unb64(old, bad))
    return Rotation(token.plane, thumbprint_of(old), thumbprint_of(new), frozenset({unb64(old, bad), unb64(new, bad)}), body, text)
class Roots:
    """Pinned thumbprints, and the roots that rotations lead to: at most 4 steps, 16 rotations (part 7)."""
    def __init__(self, pinned: Iterable[str], installed: Iterable[str] = (), test_keys: frozenset[bytes] = TEST_KEYS) -> None:
        self.pinned, self.test_keys, self.held, self.closed = frozenset(pinned), test_keys, [], set()
        waiting = [parse_rotation(text) for text in installed]
        while waiting:  # in whatever order
            ready = [one for one in waiting if self.when(one.old, one.plane)]
            need(ready, "unknown_root")
            for one in ready: self.learn(one)
            waiting = [one for one in waiting if one not in ready]
        self.closed = {(one.plane, one.old) for one in self.held}
    def learn(self, one: Rotation) -> bool:
        need(not one.keys & self.test_keys, "test_key")
        need(self.when(one.old, one.plane), "unknown_root")
        if (one.plane, one.old) in self.closed or one in self.held: return False
        need(len(self.held) < 16, "full")
        self.held.append(one)
        return True
    def ends(self, root: str, plane: str) -> int:
        stated = [one.body["until"] for one in self.held if (one.plane, one.old) == (plane, root) and "until" in one.body]
        return min(stated, default=MAX_INT + 1)
    def when(self, root: str, plane: str) -> tuple[int, int, tuple[str, ...]] | None:
        """From when until when it is a root, and the roots before it; None when it never is."""
        known: dict[str, tuple[int, tuple[str, ...]]] = {pin: (0, ()) for pin in self.pinned}
        last = known
        for _ in range(4):
            ways = sorted((max(last[one.old][0], one.body["from"]), unb64(one.old, ""), one.old, one.new)
                          for one in self.held if one.plane == plane and one.old in last and one.new not in known
                          and one.body["from"] < self.ends(one.old, plane))
            last = {new: (begins, (*last[old][1], old)) for begins, _, old, new in reversed(ways)}
            known = known | last
        return (known[root][0], self.ends(root, plane), known[root][1]) if root in known else None
class Chain(list[Credential]):
    root_from, root_until, before = 0, MAX_INT + 1, ()  # `before`: the roots that led to its own
    def check_good_at(self, moment: int, even_after_root: bool = False) -> None:
        need(self.root_from <= moment, "credential_not_yet_valid")
        need(even_after_root or moment < self.root_until, "root_ended")
        for link in self:
            need(link.body["not_before"] <= moment, "credential_not_yet_valid")
            need(moment < link.body["expires"], "credential_expired")
    def check_may_publish(self, flow: str, place: str, severity: str) -> None:
        able = [grant for grant in self[-1].body["grants"] if grant["flow"] == flow and "publish" in grant]
        around = [rank(grant) for grant in able if inside(place, grant["at"])]
        need(able, "not_granted")
        need(around, "out_of_jurisdiction")
        need(max(around) >= SEVERITIES.index(severity), "severity_exceeds_grant")
def verify_chain(tokens: Iterable[str], roots: Roots | Iterable[str], test_keys: frozenset[bytes] = TEST_KEYS) -> Chain:
    links, roots = Chain(), roots if isinstance(roots, Roots) else Roots(roots, (), test_keys)
    for text in tokens:
        need(len(links) < MAX_LINKS, "too_many_links")
        link, above = parse_credential(text), links[-1] if links else None
        when = roots.when(link.thumbprint, link.body["plane"]) if above is None and "parent" not in link.body else None
        need(above or when, "unknown_root")
        if when: links.root_from, links.root_until, links.before = when
        need(above is None or link.body.get("parent") == above.token.id, "broken_chain")
        need(link.key not in test_keys, "test_key")
        link.token.check_signature((above or link).key)
        need(above is None or link.fits_in(above), "exceeds_parent")
        links.append(link)
    need(links, "too_many_links")
    return links

# -- Parts 8 and 9: messages -------------------------------------------------------------------------------------------
class Message(NamedTuple):
    """A message that passed checks 1 to 16 of part 9 under `chain`; `body` has the members of part 8."""
    id: str; jws: str; chain: Chain; body: dict[str, Any]
    def __str__(self) -> str:
        by, me, cap = self.chain[-1].body, self.body, self.body["content"]["cap"]
        said = "; ".join(info.get("headline", info["event"]) for info in cap.get("info", []))
        return printable(f"{by['plane'].upper()} {me['severity']} {me['channel']} {by['org']}: {cap['msgType']} {said}")
    def check_admitted(self, admitted: int) -> None:
        need(self.body["sent"] <= admitted + SKEW_MS, "sent_in_future")
        need(admitted < self.body["expires"], "expired")
        self.chain.check_good_at(admitted)
    def takes_effect_on(self, target: Message) -> bool:
        new, old, rank_of = self.body, target.body, SEVERITIES.index
        right = (*parse_channel(old["channel"])[1:], old["severity"])
        return (target.id in new.get("replaces", []) and all(new[same] == old[same] for same in ("channel", "label"))
                and rank_of(new["severity"]) >= rank_of(old["severity"]) and new["expires"] >= old["expires"]
                and (self.chain[-1].key == target.chain[-1].key or passes(self.chain.check_may_publish, *right)))
def is_label(label: dict[str, Any]) -> bool:
    level, orgs = TLP.index(label["tlp"]), label.get("audience", [])
    covered = level < 3 and any(inside(one, other) for one in orgs for other in orgs if one != other)
    return orgs == sorted(set(orgs)) and not covered and (level == 1 or bool(orgs) == (level > 1))
def is_for(label: dict[str, Any], org: str) -> bool:
    strict, orgs = label["tlp"] in TLP[3:], label.get("audience", [])
    return not orgs or any(org == one if strict else inside(org, one) for one in orgs)
def verify_message(jws: str, chain: Chain, lifetime_ms: int = WEEK_MS) -> Message:
    bad, by = "malformed_message", chain[-1]
    need(len(jws.encode()) <= MAX_MESSAGE, "message_too_large")
    token = parse_token(jws, "message")
    need(token.kid == by.token.id, "unknown_credential")
    need(token.plane == by.token.plane, "wrong_plane")
    token.check_signature(by.key)
    body = shape(strict_json(token.payload, bad), RULES["message"], bad)
    need(not {"prev", "cosignatures", "sealed"} & body.keys(), "not_supported")
    need(is_label(body["label"]) and len(body.get("replaces", [])) <= 64, bad)
    plane, flow, place = parse_channel(body["channel"])
    content = shape(body["content"], RULES["content"], "malformed_content")
    if "bytes" in (original := content.get("original", {})):
        need(b64(sha(unb64(original["bytes"], "malformed_content"))) == original["sha256"], "malformed_content")
    cap, severity = content["cap"], SEVERITIES.index(body["severity"])
    need(plane == token.plane, "wrong_plane")
    need(cap["status"] != "Draft", "draft_content")
    need((cap["status"] in ("Actual", "System")) == (plane == "live"), "wrong_plane")
    for info in cap.get("info", []):
        need(severity >= SEVERITIES.index(info["severity"].replace("Unknown", "Severe")), "severity_below_content")
    need(by.body.get("role") != "relay", "not_granted")
    chain.check_may_publish(flow, place, body["severity"])
    need(body["sent"] < body["expires"] <= body["sent"] + lifetime_ms, "lifetime_too_long")
    chain.check_good_at(body["sent"])
    return Message(token.id, jws, chain, body)

# -- Parts 2 and 10 to 13: frames, a session, reconnecting -------------------------------------------------------------
FRAMES = {  # of the relay
    "challenge": "nonce:id", "welcome": "log:log head:number now:number mark_ms:number relay:id?",
    "receipt": "re:number id:id log:log seq:number admitted:number", "reach": "id:id live:number behind:number",
    "refused": "re:number? code detail:str? credential:id?", "subscribed": "re:number log:log seq:number head:number",
    "chain": "chain# re:number?", "event": "seq:number admitted:number jws",
    "mark": "log:log seq:number admitted:number head:number now:number", "going_away": "retry_ms:number", "rotation": "jws",
    "revocation": "log:log count:number seq:number admitted:number jws",
    "gap": "re:number? reason:other_log|removed|ahead|damaged from:cursor to:cursor"}  # left out: accepted, past, page
def parse_frame(text: str, table: dict[str, str] = FRAMES) -> dict[str, Any]:
    frame = {name: value for name, value in strict_json(text, "not_json").items() if value is not None}
    need(isinstance(frame.get("op"), str), "malformed_frame")
    need(frame["op"] in table, "unknown_operation")
    return shape(frame, table[frame["op"]], "malformed_frame", strict=False)
class Line(ClientConnection):
    """Knows when anything last came, pings included."""
    last = 0.0
    def data_received(self, data: bytes) -> None:
        self.last = time.monotonic()
        super().data_received(data)
class Identity(NamedTuple):
    """A key, its chain (root first), whom to believe: a TLS authority, thumbprints of pinned roots, rotations installed."""
    key: Ed25519PrivateKey; chain: list[str]; plane: str; ca_file: pathlib.Path; roots: frozenset[str]; rotations: tuple[str, ...] = ()
class Heard(NamedTuple):
    """`what`: verified, suspect (`code` says why; show nothing of it), disowned (by `frame`, a revocation; take `code`, an
    id, back if you have shown it), mark, gap, reach or going_away."""
    what: str; frame: dict[str, Any]; cursor: str = ""; message: Message | None = None; code: str = ""
def expect(frame: dict[str, Any], op: str) -> dict[str, Any]:
    if frame["op"] == "refused": raise Refusal(frame["code"], frame.get("detail", ""))
    if frame["op"] != op: raise LineBroken("", f"{frame['op']} where {op} was due")
    return frame
class Session:
    """One connection, for one task. `seen`, the ids given before, outlives it: give the same set to the next one."""
    mark_ms = 5_000  # the interval between marks to ask for
    def __init__(self, ws: Line, me: Identity, seen: set[str]) -> None:
        self.ws, self.me, self.seen, self.log, self.stale_after, self._seq = ws, me, seen, "", 10.0, 0
        self._filters, self._chains, self._numbers = list[str](), dict[str, Chain | Refusal](), itertools.count(1)
        self._roots, self._revocations = Roots(me.roots, me.rotations), dict[str, tuple[revocations.Revocation, dict[str, Any]]]()
        self._given = dict[str, tuple[Chain, int]]()  # verified on this session
        self._later = collections.deque[dict[str, Any]]()  # came while an answer was awaited
    @classmethod
    async def open(cls, host: str, port: int, me: Identity, seen: set[str]) -> Session:
        tls, ws = ssl.create_default_context(cafile=me.ca_file), None
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            ws = await connect(f"wss://{f'[{host}]' if ':' in host else host}:{port}/", ssl=tls, compression=None,
                               subprotocols=["vigie.v1"], max_size=MAX_FRAME, ping_interval=None, close_timeout=2,
                               proxy=None, create_connection=Line)
            if ws.subprotocol != "vigie.v1": raise LineBroken("", "the relay speaks something else")
            self = cls(ws, me, seen)
            nonce = expect(await self._next(), "challenge")["nonce"]
            binding = b64(sha(ws.transport.get_extra_info("ssl_object").getpeercert(True)))
            proof = sign(me.key, token_id(me.chain[-1]), f"vigie-login-{me.plane}-v1",
                         {"relay": host.lower(), "nonce": nonce, "binding": binding})
            await ws.send(json.dumps({"op": "login", "chain": me.chain, "proof": proof, "mark_ms": cls.mark_ms}))
            welcome = expect(await self._next(), "welcome")
            self.log, self.stale_after, ws = welcome["log"], STALE * welcome["mark_ms"] / 1000, None
            return self
        except InvalidStatus as answer:  # the body is a code, a colon and a sentence
            raise LineBroken((answer.response.body or b"").decode(errors="replace").partition(":")[0]) from None
        except (OSError, InvalidHandshake, ConnectionClosed) as why: raise LineBroken("", repr(why)) from why
        finally:
            if ws: await ws.close()
    async def _next(self) -> dict[str, Any]:
        while (left := self.ws.last + self.stale_after - time.monotonic()) > 0:
            try:
                text = await asyncio.wait_for(self.ws.recv(), left)
                frame = parse_frame(text if isinstance(text, str) else "")
            except TimeoutError: continue  # a ping may have come meanwhile
            except ConnectionClosed as end: raise LineBroken("", str(end)) from None
            except Refusal as why:
                if why.code == "unknown_operation": continue
                await self.ws.close(1002)
                raise LineBroken("", f"the relay broke the protocol: {why.code}") from None
            if frame["op"] == "refused" and "re" not in frame:
                raise LineBroken(frame["code"], printable(frame.get("detail", "")))
            return frame
        await self.ws.close()
        raise LineBroken("", "stale")
    async def ask(self, op: str, answer: str, **rest: Any) -> dict[str, Any]:
        n = next(self._numbers)
        with contextlib.suppress(ConnectionClosed):  # then _next tells why
            await self.ws.send(json.dumps({"op": op, "n": n, **rest}))
        while (frame := await self._next()).get("re") != n: self._later.append(frame)
        return expect(frame, answer)
    async def publish(self, jws: str) -> dict[str, Any]:
        """The receipt. After LineBroken, or when none comes, send the very same bytes on the next session."""
        while True:
            try: return await self.ask("publish", "receipt", jws=jws)
            except Refusal as why:
                if why.code not in TEMPORARY: raise
            await asyncio.sleep(jitter(2))
    async def subscribe(self, channels: list[str], after: str | None = None) -> dict[str, Any]:
        done = await self.ask("subscribe", "subscribed", channels=channels, **({"after": after} if after else {}))
        self._later.append(done | {"channels": channels})  # what came before it was judged by the filters before it
        return done
    def _keep(self, tokens: list[str]) -> None:
        last = token_id(tokens[-1]) if tokens else ""
        try: self._chains[last] = verify_chain(tokens, self._roots)
        except Refusal as why:
            self._chains.setdefault(last, why)  # an unsound copy does not push out a sound one
        for old in list(self._chains)[:-2 * CHAINS]: del self._chains[old]
    async def _judge(self, frame: dict[str, Any]) -> Message:
        """Part 12, steps 1 to 4: Refusal with the code that makes the event suspect."""
        kid = parse_token(frame["jws"], "message").kid
        if kid not in self._chains: self._keep((await self.ask("credential", "chain", id=kid))["chain"])
        if isinstance(chain := self._chains.get(kid, Refusal("unknown_credential")), Refusal): raise chain
        need(chain[-1].token.plane == self.me.plane, "wrong_plane")
        message = verify_message(frame["jws"], chain)
        message.check_admitted(frame["admitted"])
        to, severity = message.body["channel"], message.body["severity"]
        need(any(hears(one, to, severity) for one in self._filters), "not_subscribed")
        need(is_for(message.body["label"], parse_credential(self.me.chain[-1]).body["org"]), "not_in_audience")
        return message
    def _disowner(self, chain: Chain, admitted: int) -> dict[str, Any] | None:
        by = revocations.disowner(chain, admitted, (one for one, _ in self._revocations.values()))
        return self._revocations[by.id][1] if by else None
    def _revoke(self, frame: dict[str, Any]) -> list[Heard]:
        issuer = self._chains.get(parse_token(frame["jws"], "revocation").kid, Refusal("unknown_credential"))
        if isinstance(issuer, Refusal): raise issuer
        need(issuer[-1].token.plane == self.me.plane, "wrong_plane")
        one = revocations.verify(frame["jws"], issuer, frame["admitted"])
        self._revocations[one.id] = one, frame
        gone = [(id, by) for id, given in self._given.items() if (by := self._disowner(*given))]
        return [Heard("disowned", by, code=id) for id, by in gone if self._given.pop(id)]
    async def heard(self) -> AsyncIterator[Heard]:
        """What comes, in order. Store `cursor` (when there is one) once what came with it is handled."""
        while True:
            frame = self._later.popleft() if self._later else await self._next()
            op, seq = frame["op"], frame.get("seq", 0)
            place = make_cursor(self.log, seq, frame["admitted"]) if op in ("event", "mark") else ""
            if op == "chain": self._keep(frame["chain"])
            elif op == "rotation":
                try:
                    one = parse_rotation(frame["jws"])
                    need(one.plane == self.me.plane, "wrong_plane")
                    if self._roots.learn(one): self._chains.clear()
                except Refusal as why:
                    if why.code != "unknown_root": yield Heard("suspect", frame, code=why.code)  # else for who pinned another
            elif op == "revocation":
                try:
                    for gone in self._revoke(frame): yield gone
                except Refusal as why: yield Heard("suspect", frame, code=why.code)
            elif op == "subscribed": self._filters, self._seq = frame["channels"], seq
            elif op != "event": yield Heard(op, frame, place)
            elif seq <= self._seq: raise LineBroken("", "the log went backwards")
            else:
                self._seq = seq
                try:
                    message = await self._judge(frame)
                    if message.id not in self.seen and not self.seen.add(message.id):
                        if by := self._disowner(message.chain, frame["admitted"]):
                            yield Heard("disowned", by, place, code=message.id)
                        else:
                            self._given[message.id] = message.chain, frame["admitted"]
                            yield Heard("verified", frame, place, message)
                except Refusal as why:
                    yield Heard("suspect", frame, place, code=why.code)
def jitter(k: int) -> float: return random.uniform(0, min(60, 0.5 * 2 ** min(k, 7)))
async def dial(relays: list[tuple[str, int]], me: Identity, seen: set[str]) -> Session:
    for k, (host, port) in enumerate(itertools.cycle(relays)):
        try: return await Session.open(host, port, me, seen)
        except LineBroken as why:
            if why.code not in TEMPORARY | {""}: raise  # it will come again: tell a person
        await asyncio.sleep(jitter(k))
    raise AssertionError("no relays")
