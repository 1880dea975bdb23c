"""Writes the seeds of the fuzz targets: python3 fuzz/make_seeds.py. From our own vectors and fixtures, and by hand."""

import base64
import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEEDS = ROOT / "fuzz" / "seeds"
BYTES_MAX = 2048


def vectors(name):
    return json.loads((ROOT / "proto" / "vectors" / name).read_text())


def write(target, seeds):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, seed in seeds.items():
        seed = seed.encode() if isinstance(seed, str) else seed
        if len(seed) <= BYTES_MAX:
            (folder / name).write_bytes(seed)


def payloads(name):
    for token in vectors(name)["tokens"]:
        if "token" not in token:
            continue
        header, payload = token["token"].split(".")[:2]
        yield token["name"], [base64.urlsafe_b64decode(part + "==") for part in (header, payload)]


def frames():
    sides = vectors("frames.json")
    # What is signed is a text like any other here: a short one will do.
    def short(value):
        if isinstance(value, str) and len(value) > 100:
            return "eyJ.eyJ.AAAA"
        if isinstance(value, list):
            return [short(one) for one in value]
        return value
    for side, target in (("client", "client_frame"), ("relay", "server_frame")):
        texts = [{name: short(value) for name, value in json.loads(one["text"]).items()} for one in sides[side]]
        seeds = {f"{text['op']}-{place}": json.dumps(text, separators=(",", ":")) for place, text in enumerate(texts)}
        seeds["unknown"] = '{"op":"later","n":1}'
        seeds["double"] = '{"op":"mark","op":"mark"}'
        write(target, seeds)


def strict_json():
    write("json", {
        "empty": "{}",
        "all": ' {"a":[1,-1,0,true,false,null,"\\ud83d\\ude00\\n\\u0000",{"b":9007199254740991}],"":-9007199254740991}\n',
        "deep": '{"a":' + "[" * 7 + "1" + "]" * 7 + "}",
        "deepest": '{"a":' + "[" * 15 + "]" * 15 + "}",
        "too-deep": '{"a":' + "[" * 16 + "]" * 16 + "}",
        "double": '{"a":{"x":1,"\\u0078":2}}',
        "number": '{"a":1.5}',
        "half": '{"a":"\\ud800"}',
        "list": "[1]",
        "list-double": '[{"a":1,"a":2}]',
    })


WHEN = '"not_before":1750000000000,"expires":1850000000000'


def claims(key, org, grants, *, below=True, plane="live", more="", when=WHEN):
    parent = '"parent":"@p",' if below else ""
    return (f'{{"sub":"@k{key}","org":"{org}","name":"n",{more}{parent}"grants":[{",".join(grants)}],'
            f'"plane":"{plane}",{when}}}')


def grant(flow, at, delegate, publish="Extreme", subscribe=True):
    parts = [f'"flow":"{flow}"', f'"at":"{at}"']
    parts += [f'"publish":"{publish}"'] if publish else []
    parts += ['"subscribe":true'] if subscribe else []
    parts += [f'"delegate":{delegate}'] if delegate else []
    return "{" + ",".join(parts) + "}"


def chains():
    both = lambda at, delegate: [grant("alert", at, delegate), grant("signal", at, delegate)]
    root = claims(0, "fr", both("fr", 7), below=False)
    nation = claims(1, "fr.interieur", both("fr", 3))
    town = claims(2, "fr.interieur.paris", [grant("alert", "fr.idf.75.paris", 0, "Severe")])
    relay = claims(2, "fr.interieur", [], more='"role":"relay",')
    drill = claims(0, "fr", both("fr", 2), below=False, plane="exercise")
    write("chain", {
        "root": root,
        "nation": "\n".join([root, nation]),
        "town": "\n".join([root, nation, town]),
        "relay": "\n".join([root, relay]),
        "exercise": "\n".join([drill, claims(1, "fr", both("fr", 1), plane="exercise")]),
        "ext": claims(0, "fr", [], below=False, when=WHEN + ',"ext":{"a":[{"b":null}]}'),
        "exceeds": "\n".join([root, claims(1, "de", both("de", 9))]),
        "two-planes": "\n".join([root, claims(1, "fr", [], plane="exercise")]),
        "stranger": "\n".join([root, "^" + nation]),
        "typ": "~" + root,
        "unknown-root": claims(3, "fr", both("fr", 7), below=False),
        "broken": "\n".join([root, claims(1, "fr", [], below=False)]),
    })


def messages():
    wanted = {
        "alert-nation": "nation", "alert-town": "town", "signal-field": "signal", "exercise-nation": "exercise",
        "other-spelling": "spelling", "escapes": "escapes", "original": "original", "status-draft": "draft",
        "severity-above-grant": "severity", "place-above": "above",
    }
    seeds = {}
    for name, (_, payload) in payloads("messages.json"):
        if name in wanted:
            seeds[wanted[name]] = payload
    town = seeds["town"]
    seeds["town-only"] = town
    seeds["replaces"] = town.replace(b'"content"', b'"replaces":["' + b"A" * 43 + b'"],"content"')
    seeds["amber"] = town.replace(b'{"tlp":"TLP:GREEN"}', b'{"tlp":"TLP:AMBER","audience":["fr.interieur"]}')
    seeds["two-infos"] = town.replace(b'"info":[{"language":"fr-FR"', b'"info":[{"language":"en"', 1)
    seeds["stranger"] = b"^" + town
    seeds["typ"] = b"~" + town
    seeds["system"] = town.replace(b"Actual", b"System").replace(b"Alert", b"Cancel", 0)
    seeds["prev"] = town.replace(b'"content"', b'"prev":"x","content"')
    write("message", seeds)


def statements():
    write("revocation", {
        "town": '{"target":{"credential":"@c2"},"from":1800000000000,"number":1}',
        "own": '2{"target":{"key":"@i2"},"from":1799999000000,"number":2,"reason":"keyCompromise"}',
        "by-root": '0{"target":{"credential":"@c1"},"from":0,"number":9007199254740991,"reason":"superseded","ext":{}}',
        "above": '2{"target":{"key":"@i1"},"from":1,"number":1}',
        "stranger": '^{"target":{"credential":"@c2"},"from":1800000000000,"number":1}',
        "typ": '~{"target":{"credential":"@c2"},"from":1800000000000,"number":1}',
        "both": '{"target":{"credential":"@c2","key":"@i2"},"from":1,"number":1}',
        "zero": '{"target":{"key":"@i2"},"from":1,"number":0}',
    })
    hand = lambda of, to, start, end="": f'{{"root":"@k{of}","successor":"@k{to}","from":{start}{end}}}'
    write("rotation", {
        "one": hand(0, 1, 1800000000000),
        "ends": hand(0, 1, 1800000000000, ',"until":1807776000000'),
        "two": "\n".join([hand(0, 1, 1800000000000), hand(1, 2, 1800000001000)]),
        "late": "\n".join([hand(1, 2, 5), hand(0, 1, 3, ',"until":9')]),
        "fork": "\n".join([hand(0, 1, 7), hand(0, 2, 6), hand(2, 3, 8), hand(1, 3, 8)]),
        "circle": "\n".join([hand(0, 1, 7), hand(1, 0, 8, ',"until":9,"ext":{"a":1}')]),
        "exercise": "\n".join(["~" + hand(0, 1, 1), hand(1, 2, 2)]),
        "stranger": "^" + hand(0, 1, 1),
        "itself": hand(1, 1, 1),
        "backwards": hand(0, 1, 9, ',"until":9'),
    })


def tokens():
    header = lambda typ, more="": f'{{"alg":"EdDSA","kid":"@i0","typ":"vigie-{typ}-v1"{more}}}\n'
    write("jws", {
        "message": header("message-live") + "{}",
        "credential": header("credential-exercise") + '{"a":1}',
        "login": header("login-live"),
        "revocation": header("revocation-live") + "x",
        "rotation": header("rotation-exercise") + "abc",
        "order": '{"typ":"vigie-message-live-v1", "kid":"@i1","alg":"Ed25519"}\n{}',
        "none": '{"alg":"none","kid":"@i0","typ":"vigie-message-live-v1"}\n{}',
        "crit": header("message-live", ',"crit":[]'),
        "escape": '{"\\u0061lg":"EdDSA","kid":"@i0","typ":"vigie-message-live-v1"}\n{}',
        "raw": "=" + vectors("messages.json")["tokens"][0]["token"],
        "parts": "=e30.e30",
    })


def grammars():
    cursors = [one["text"] for one in vectors("cursors.json")["good"]]
    write("channel", {
        "alert": "alert/fr\nalert/fr.**\nalert/fr.idf",
        "signal": "signal/fr.idf.75.paris\nsignal/fr\nsignal/fr.idf.**",
        "exercise": "exercise/alert/fr.idf\nexercise/alert/fr.idf.75\nalert/fr.idf",
        "longest": "alert/" + ".".join(["a" * 32] * 8) + "\nsignal/0.a.b.c.d.e\nalert/a.b.c.d.e.f.g.h.i",
        "cursor": "\n".join(cursors[:3]),
        "id": "A" * 43 + "\n" + "A" * 22,
        "reserved": "posture/fr\nAlert/fr\nalert/fr.*\nalert/\nalert/fr..a",
    })
    page = '{"op":"history","n":4,"channels":["alert/fr.idf.75.paris"],"after":"start","limit":100}'
    write("requests", {
        "subscribe": '{"op":"subscribe","n":1,"channels":["alert/fr.idf.75.paris","signal/fr.idf.**"]}',
        "after": '{"op":"subscribe","n":1,"channels":["alert/fr.idf"],"after":"%s"}' % cursors[2],
        "history": page + "\n" + page.replace("start", cursors[1]).replace('"alert', '"signal/fr.idf","alert'),
        "credential": '{"op":"credential","n":5,"id":"@c1"}\n{"op":"credential","n":6,"id":"%s"}' % ("A" * 43),
        "elsewhere": page.replace("fr.idf.75.paris", "de") + "\n" + page.replace("alert/", "exercise/alert/"),
        "limit": page.replace("100", "257"),
        "far": page.replace("start", "AYNv8YTntBseE8tf2J-h3pgAAAIAAAAABQAAAaMYXFAA").replace("100", "256"),
        "cursor": page.replace("start", "0"),
        "login": '{"op":"login","chain":[],"proof":""}\n{"op":"chain","n":1,"chain":[]}',
        "publish": '{"op":"publish","n":2,"jws":"a.b.c"}\n{"op":"revoke","n":3,"jws":"a.b.c"}',
    })


def records():
    frame = lambda kind, by, body: struct.pack("<BBH", kind, by, len(body)) + body
    def message(channel, jws, audience=b"", severity=2, admitted=1000):
        fixed = struct.pack("<QQ", admitted, admitted + 9000) + b"\x03" * 32 + b"\x04" * 32 + bytes([severity])
        return fixed + struct.pack("<H", len(channel)) + channel + audience + jws
    named = lambda strict, orgs: bytes([strict]) + struct.pack("<H", len(orgs)) + orgs
    credential = frame(2, 0, b"\x04" * 32 + b"eyJ.eyJ.AAAA")
    alert = frame(3, 1, message(b"alert/fr", b"a.b.c"))
    amber = frame(8, 2, message(b"signal/fr.idf", b"d.e.f", named(0, b"fr.a,fr.b"), 4, 1001))
    revocation = frame(4, 0, struct.pack("<QQQ", 1, 1, 1000) + b"\x05" * 64 + b"g.h.i")
    carried = frame(5, 0, struct.pack("<QQQ", 1, 900, 9000) + b"\x06" * 64)
    forked = frame(6, 0, b"\x08" * 16 + struct.pack("<QQ", 7, 800))
    write("record", {
        "nothing": b"",
        "credential": credential,
        "message": credential + alert,
        "audience": credential + alert + amber,
        "strict": frame(8, 9, message(b"exercise/alert/fr", b"", named(1, b"fr"))),
        "all": forked + credential + carried + alert + revocation + amber,
        "backup": alert + frame(7, 0, struct.pack("<Q", 5)),
        "unknown": frame(9, 0, b"later"),
        "order": frame(8, 1, message(b"alert/fr", b"x", named(0, b"fr.b,fr.a"))),
        "severity": frame(3, 1, message(b"alert/fr", b"x", severity=5)),
        "late": alert + frame(3, 1, message(b"alert/fr", b"y", admitted=999)),
    })


def segments():
    batch, footer, message, credential, follow = b"\x00", b"\x0c", b"\x01\x00\x05", b"\x02", b"\x08"
    sound = batch + credential + message + message + footer
    flip = lambda place: b"\x06" + struct.pack("<H", place) + b"\x01"
    cut = lambda place: b"\x07" + struct.pack("<H", place)
    room = b"\x04" + struct.pack("<H", 600)
    write("segment", {
        "nothing": b"",
        "sound": sound,
        "unproven": batch + message + room,
        "torn": batch + message + b"\x05\x03abc" + room,
        "two": sound + follow + batch + message + footer + room,
        "three": sound + follow + sound + follow + sound,
        "damaged": batch + message + batch + message + footer + flip(230) + room,
        "damaged-before": sound + flip(300) + follow + batch + message + footer,
        "cut": sound + cut(200) + follow + sound,
        "short": sound + cut(300),
        "header": sound + flip(40),
        "lost": sound + follow + sound + b"\x09\x03" + follow + sound,
        "oldest": sound + follow + b"\x39\x02" + sound,
        "base": b"\x15\x05" + batch + b"\x0a\x04" + message + footer,
        "far": batch + b"\x0a\xfb\x01" + message + footer,
        "last-index": sound + follow + batch + message + b"\x99\xfc",
        "last-index-full": sound + follow + b"\x99\xfc",
        "last-index-appended": follow + b"\xb8" * 66 + b"\x99\xfc",
        "kinds": batch + b"\x03\x07\x08\x00\x00\x00\x00\x00\x00\x00\x00" + footer,
        "capacity": sound + b"\x45\xff\x00\x04",
    })


def files():
    fixtures = ROOT / "client-sdk" / "tests" / "fixtures" / "cap"
    names = ["ack.xml", "cap-1.0.xml", "utc-with-z.xml", "crue-seine-update.xml", "cdata-and-references.xml",
             "embedded-resource.xml", "atom-feed.xml", "prefix.xml", "iso-8859-15.xml", "utf-16.xml", "two-signatures.xml",
             "bad/doctype.xml", "bad/entity-bomb.xml", "bad/mismatched-tag.xml", "bad/bad-sent.xml", "bad/empty.xml"]
    write("cap_xml", {name.replace("/", "-"): (fixtures / name).read_bytes() for name in names})


def settings():
    need = ('listen = "127.0.0.1:7443"\nnames = ["localhost"]\ntls_chain = "a"\ntls_key = "b"\n'
            'roots = ["%s"]\njournal = "j"\n' % ("A" * 43))
    every = ('workers = 2\norigins = ["https://a.example"]\nunbound_passes = false\nlifetime_max = "6h"\n'
             'outbox_bytes_max = 262144\nring_bytes_max = 65536\nconnections_max = 10\nconnections_per_address_max = 5\n'
             'sessions_per_key_max = 3\n'
             'login_timeout = "10s"\nsubscriptions_max = 8\nmark_interval_max = "1m"\nstrangers_max = 10\n'
             'strangers_per_address_max = 5\nstranger_tls_bytes_max = 8192\nstranger_bytes_max = 24576\n')
    rates = ('publishes_per_credential_max = 20\nchains_per_credential_max = 5\npublishes_max = 1000\n'
             'submissions_max = 64\nsegment_bytes = 65536\nretain_age = "30d"\nretain_bytes = 1048576\n'
             'bytes_in_force_max = 33554432\nretry_hint = "2s"\nstop_grace = "5s"\noperators_door = true\n')
    write("config", {
        "least": need,
        "every": need + every,
        "rates": need + rates,
        "health": need + '[health]\nlisten = "off"\n',
        "inline": need + 'health = { listen = "[::1]:9" }\ntrial = true\n',
        "misspelt": need.replace("listen", "lisen"),
        "wrong": need + "workers = 0\n",
        "segment-far": need + "segment_bytes = 18446744073709551615\n",
        "type": need + 'workers = "two"\n',
        "broken": need + "workers = [",
    })


def requests():
    good = ("GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a client of ours, for tests\r\nAccept: text/plain, */*\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: vigie.v1\r\n\r\n")
    write("upgrade", {
        "good": good,
        "parts": "# 30\n" + good,
        "behind": good + "\x01\x02\x03",
        "origin": good.replace("Upgrade:", "Origin: https://a.example\r\nUpgrade:", 1),
        "other-origin": good.replace("Upgrade:", "Origin: https://b.example\r\nUpgrade:", 1),
        "full": "# full\n" + good,
        "path": good.replace("GET /", "GET /a"),
        "protocols": good.replace("vigie.v1", "a, vigie.v1"),
        "subprotocol": good.replace("vigie.v1", "vigie.v2"),
        "plain": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "old": "GET / HTTP/1.0\r\n\r\n",
        "old-upgrade": good.replace("HTTP/1.1", "HTTP/1.0"),
        "post": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcdeGET / HTTP/1.1\r\n\r\n",
        "chunked": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "broken": "GET\x00/ HTTP/1.1\r\n\r\n",
        "cut": good[:60],
        "tls": b"\x16\x03\x01\x00\xa5\x01\x00\x00",
    })


for make in (frames, strict_json, chains, messages, statements, tokens, grammars, records, segments, files, settings, requests):
    make()
