"""The client against the real relay, honest and lying. VIGIE_BIN names the binary; see README.md."""
from __future__ import annotations

import asyncio
import json
import os
import pathlib
import ssl
import subprocess
import tempfile
import time
import tomllib
import unittest
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

import vigie

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE = 20.0  # for whatever is waited for
Frame = dict[str, Any]
Tamper = Callable[[Frame], list[Frame]]  # a frame of the relay, and what the client is given instead


def binary() -> pathlib.Path | None:
    given = os.environ.get("VIGIE_BIN")
    places = [pathlib.Path(given)] if given else [ROOT / "target" / kind / "vigie" for kind in ("debug", "release")]
    return next((place for place in places if place.is_file()), None)


BINARY = binary()


def identity(folder: pathlib.Path, name: str, plane: str = "live") -> vigie.Identity:
    own = folder / "identities" / name
    key = load_pem_private_key((own / f"{plane}.key.pem").read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    roots = tomllib.loads((folder / "context.toml").read_text("utf-8"))["roots"]
    return vigie.Identity(key, (own / f"{plane}.chain").read_text("ascii").split(), plane, folder / "tls" / "ca.pem",
                          frozenset(roots))


def message(author: vigie.Identity, channel: str, headline: str, severity: str = "Severe", tlp: str = "TLP:GREEN",
            *audience: str) -> str:
    now = time.time_ns() // 1_000_000
    status = "Actual" if author.plane == "live" else "Exercise"
    written = time.strftime("%Y-%m-%dT%H:%M:%S-00:00", time.gmtime())
    info = {"category": ["Safety"], "event": "Essai", "urgency": "Immediate", "severity": severity,
            "certainty": "Observed", "headline": headline}
    cap = {"identifier": f"essai-{time.time_ns()}", "sender": "essai@vigie.example", "sent": written, "status": status,
           "msgType": "Alert", "scope": "Public", "info": [info]}
    return vigie.sign(author.key, vigie.token_id(author.chain[-1]), f"vigie-message-{author.plane}-v1",
                      {"channel": channel, "sent": now, "expires": now + 3_600_000, "severity": severity,
                       "label": {"tlp": tlp, **({"audience": audience} if audience else {})}, "content": {"cap": cap}})


class Relay:
    """A `vigie relay run` of its own; ended by its own id."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.port, self.process = folder, 0, None

    async def start(self) -> None:
        assert BINARY is not None
        self.process = await asyncio.create_subprocess_exec(
            BINARY, "relay", "run", "--config", self.folder / "vigie.toml", "--listen", f"127.0.0.1:{self.port}",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = []
        async with asyncio.timeout(DEADLINE):
            while line := (await self.process.stderr.readline()).decode().strip():
                said.append(line)
                port = line.rpartition(":")[2]
                if port.isdecimal():
                    self.port = int(port)
                    self._drain = asyncio.create_task(self.process.stderr.read())
                    return
        raise AssertionError(f"the relay did not start: {said}")

    async def kill(self) -> None:
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
            await self._drain


@asynccontextmanager
async def lying(relay: Relay, tamper: Tamper) -> AsyncIterator[int]:
    """A proxy with the relay's own certificate and key: TLS and the binding of the log-in fit. Gives its port."""
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(relay.folder / "relay" / "tls.pem", relay.folder / "relay" / "tls.key.pem")
    client_tls = ssl.create_default_context(cafile=relay.folder / "tls" / "ca.pem")
    common: dict[str, Any] = {"subprotocols": ["vigie.v1"], "compression": None, "max_size": None, "ping_interval": None}

    async def up(client: ServerConnection, server: Any) -> None:
        try:
            async for text in client:
                await server.send(text)
        except ConnectionClosed:
            pass
        finally:
            await server.close()

    async def handle(client: ServerConnection) -> None:
        async with connect(f"wss://localhost:{relay.port}/", ssl=client_tls, proxy=None, **common) as server:
            pump = asyncio.create_task(up(client, server))
            try:
                async for text in server:
                    for frame in tamper(json.loads(text)):
                        await client.send(json.dumps(frame))
            except ConnectionClosed:
                pass
            finally:
                pump.cancel()

    async with serve(handle, "127.0.0.1", 0, ssl=server_tls, **common) as server:
        yield server.sockets[0].getsockname()[1]


async def until(session: vigie.Session, enough: Callable[[list[vigie.Heard]], bool]) -> list[vigie.Heard]:
    """All that is heard until the condition holds, within the deadline."""
    heard: list[vigie.Heard] = []
    async with asyncio.timeout(DEADLINE):
        async for one in session.heard():
            heard.append(one)
            if enough(heard):
                break
    return heard


def caught_up(to: int) -> Callable[[list[vigie.Heard]], bool]:
    """A mark at or after the sequence: all up to there was given."""
    return lambda heard: heard[-1].what == "mark" and heard[-1].frame["seq"] >= to


def headlines(heard: list[vigie.Heard], what: str = "verified") -> list[str]:
    return [one.message.body["content"]["cap"]["info"][0]["headline"] for one in heard if one.what == what]


def parts(jws: str) -> tuple[str, bytes, str]:
    header, payload, signature = jws.split(".")
    return header, vigie.unb64(payload, "bad"), signature


def with_payload(jws: str, payload: bytes) -> str:
    header, _, signature = jws.split(".")
    return f"{header}.{vigie.b64(payload)}.{signature}"


@unittest.skipIf(BINARY is None, "no vigie binary: build it or set VIGIE_BIN")
class WithRelay(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = self.init(pathlib.Path(folder.name) / "here")
        self.relay = Relay(self.folder)
        self.addAsyncCleanup(self.relay.kill)
        await self.relay.start()
        vigie.Session.mark_ms = 1_000
        self.nation, self.town, self.field = (identity(self.folder, name) for name in ("nation", "town", "field"))

    @staticmethod
    def init(folder: pathlib.Path) -> pathlib.Path:
        assert BINARY is not None
        subprocess.run([BINARY, "init", folder], check=True, capture_output=True, timeout=DEADLINE)
        return folder

    async def session(self, who: vigie.Identity, port: int | None = None, host: str = "localhost") -> vigie.Session:
        async with asyncio.timeout(DEADLINE):
            session = await vigie.Session.open(host, port or self.relay.port, who, set())
        self.addAsyncCleanup(session.ws.close)
        return session

    async def refusal(self, doing: Any) -> str:
        with self.assertRaises((vigie.Refusal, vigie.LineBroken)) as caught:
            async with asyncio.timeout(DEADLINE):
                await doing
        return caught.exception.code


class Honest(WithRelay):
    async def test_publish_and_hear(self) -> None:
        town, nation = await self.session(self.town), await self.session(self.nation)
        await town.subscribe(["alert/fr.idf.75.paris"])
        jws = message(self.nation, "alert/fr", "to all", "Extreme")
        receipt = await nation.publish(jws)
        heard = await until(town, caught_up(receipt["seq"]))
        one, = (one for one in heard if one.what != "mark")
        self.assertEqual((one.what, one.message.id, one.message.jws), ("verified", receipt["id"], jws))
        self.assertEqual((one.frame["seq"], one.frame["admitted"]), (receipt["seq"], receipt["admitted"]))
        self.assertEqual(one.message.chain[-1].key, self.nation.key.public_key().public_bytes_raw())
        self.assertEqual(one.cursor, vigie.make_cursor(receipt["log"], receipt["seq"], receipt["admitted"]))

    async def test_same_bytes_same_receipt(self) -> None:
        first, second = await self.session(self.nation), await self.session(self.nation)
        jws = message(self.nation, "alert/fr", "once")
        receipts = [await first.publish(jws), await first.publish(jws), await second.publish(jws)]
        for receipt in receipts:
            del receipt["re"]
        self.assertEqual(receipts, [receipts[0]] * 3)

    async def test_what_came_since_is_disowned(self) -> None:
        """The nation ends the town's key, then from an hour earlier: what was shown is taken back, and told a newcomer."""
        paris, revoke = "alert/fr.idf.75.paris", "vigie-revocation-live-v1"
        town, nation, reader = [await self.session(who) for who in (self.town, self.nation, self.nation)]
        await reader.subscribe([paris])
        receipt = await town.publish(message(self.town, paris, "shown"))
        await until(reader, lambda heard: headlines(heard) == ["shown"])
        target, now = {"key": vigie.verify_chain(self.town.chain, self.town.roots)[-1].thumbprint}, time.time_ns() // 1_000_000
        for number, since in ((2, now + 60_000), (1, now - 3_600_000)):
            jws = vigie.sign(self.nation.key, vigie.token_id(self.nation.chain[-1]), revoke,
                             {"target": target, "from": since, "number": number})
            await nation.ws.send(json.dumps({"op": "revoke", "n": number, "jws": jws}))
        gone = (await until(reader, lambda heard: heard[-1].what == "disowned"))[-1]
        self.assertEqual((gone.code, gone.frame["jws"]), (receipt["id"], jws))
        late = await self.session(self.nation)
        await late.subscribe([paris], "start")
        heard = await until(late, caught_up(receipt["seq"]))
        self.assertEqual([(one.what, one.code) for one in heard if one.what != "mark"], [("disowned", receipt["id"])])

    async def test_refusals_carry_codes(self) -> None:
        town, field = await self.session(self.town), await self.session(self.field)
        for code, line, jws in (("out_of_jurisdiction", town, message(self.town, "alert/fr", "too wide")),
                                ("not_granted", field, message(self.field, "alert/fr.idf.75.paris", "no right")),
                                ("severity_exceeds_grant", field,
                                 message(self.field, "signal/fr.idf.75.paris", "too much", "Extreme")),
                                ("not_author", town, message(self.nation, "alert/fr", "of another")),
                                ("malformed_channel", town, message(self.town, "alert/FR", "no channel")),
                                ("malformed_token", town, "x")):
            self.assertEqual(await self.refusal(line.publish(jws)), code)
        for code, channels, after in (("out_of_jurisdiction", ["alert/fr"], None), ("malformed_channel", ["x"], None),
                                      ("wrong_plane", ["exercise/alert/fr.idf.75.paris"], None),
                                      ("too_many_subscriptions", [], None),
                                      ("malformed_cursor", ["alert/fr.idf.75.paris"], "x")):
            self.assertEqual(await self.refusal(town.subscribe(channels, after)), code)
        receipt = await town.publish(message(self.town, "alert/fr.idf.75.paris", "the session goes on"))
        self.assertGreater(receipt["seq"], 0)

    async def test_who_is_not_let_in(self) -> None:
        other = self.init(self.folder.parent / "other")
        stranger = identity(other, "nation")
        here = vigie.Identity(stranger.key, stranger.chain, "live", self.nation.ca_file, stranger.roots)
        self.assertEqual(await self.refusal(self.session(here)), "unknown_root")
        thief = vigie.Identity(stranger.key, self.nation.chain, "live", self.nation.ca_file, self.nation.roots)
        self.assertEqual(await self.refusal(self.session(thief)), "proof_invalid")
        elsewhere = vigie.Identity(self.nation.key, self.nation.chain, "live", stranger.ca_file, self.nation.roots)
        self.assertEqual(await self.refusal(self.session(elsewhere)), "")  # a TLS authority that is not pinned

    async def test_dialled_by_address(self) -> None:
        await self.session(self.town, host="127.0.0.1")

    async def test_killed_and_resumed(self) -> None:
        town, nation = await self.session(self.town), await self.session(self.nation)
        await town.subscribe(["alert/fr.idf.75.paris"])
        sent = [message(self.nation, "alert/fr", f"number {n}") for n in range(4)]
        await nation.publish(sent[0])
        cursor = (await until(town, lambda heard: heard[-1].what == "verified"))[-1].cursor
        await nation.publish(sent[1])
        before = await nation.publish(sent[2])
        await self.relay.kill()
        with self.assertRaises(vigie.LineBroken):
            await until(town, lambda heard: False)
        await self.relay.start()

        async with asyncio.timeout(DEADLINE):
            nation = await vigie.dial([("localhost", self.relay.port)], self.nation, set())
            self.addAsyncCleanup(nation.ws.close)
        again = await nation.publish(sent[2])
        self.assertEqual([again[name] for name in ("id", "log", "seq", "admitted")],
                         [before[name] for name in ("id", "log", "seq", "admitted")])
        last = await nation.publish(sent[3])
        town = await self.session(self.town)  # with nothing remembered but the cursor
        subscribed = await town.subscribe(["alert/fr.idf.75.paris"], cursor)
        self.assertEqual(subscribed["seq"], vigie.parse_cursor(cursor)[1])
        heard = await until(town, caught_up(last["seq"]))
        self.assertEqual(headlines(heard), ["number 1", "number 2", "number 3"])
        self.assertEqual({one.what for one in heard}, {"verified", "mark"})

        for after, known, expected in ((heard[-1].cursor, set(), []), ("start", set(), [0, 1, 2, 3]),
                                       ("start", {vigie.token_id(sent[1])}, [0, 2, 3])):
            town = await self.session(self.town)
            town.seen |= known
            await town.subscribe(["alert/fr.idf.75.paris"], after)
            self.assertEqual(headlines(await until(town, caught_up(last["seq"]))), [f"number {n}" for n in expected])

    async def test_cursor_of_another_log(self) -> None:
        nation, town = await self.session(self.nation), await self.session(self.town)
        receipt = await nation.publish(message(self.nation, "alert/fr", "still heard"))
        foreign = vigie.make_cursor(vigie.b64(bytes(16)), 7, receipt["admitted"])
        await town.subscribe(["alert/fr.idf.75.paris"], foreign)
        heard = await until(town, caught_up(receipt["seq"]))
        self.assertEqual([one.what for one in heard if one.what != "mark"], ["gap", "verified"], heard)
        self.assertEqual((heard[0].frame["reason"], heard[0].frame["from"]), ("other_log", foreign))

    async def test_exercise_is_not_heard_on_live(self) -> None:
        live, exercise = await self.session(self.town), await self.session(identity(self.folder, "town", "exercise"))
        await live.subscribe(["alert/fr.idf.75.paris"])
        await exercise.subscribe(["exercise/alert/fr.idf.75.paris"])
        trainer = identity(self.folder, "nation", "exercise")
        played = await (await self.session(trainer)).publish(message(trainer, "exercise/alert/fr", "played"))
        meant = await (await self.session(self.nation)).publish(message(self.nation, "alert/fr", "meant"))
        self.assertLess(played["seq"], meant["seq"])
        on_live, on_exercise = await until(live, caught_up(meant["seq"])), await until(exercise, caught_up(meant["seq"]))
        self.assertEqual((headlines(on_live), headlines(on_exercise)), (["meant"], ["played"]))
        self.assertEqual(["EXERCISE" in str(one.message) for heard in (on_live, on_exercise) for one in heard
                          if one.what == "verified"], [False, True])
        wrong = message(trainer, "exercise/alert/fr", "on the wrong line")
        self.assertIn(await self.refusal((await self.session(self.nation)).publish(wrong)), ("not_author", "wrong_plane"))

    async def test_a_label_is_for_those_it_names(self) -> None:
        town, region = await self.session(self.town), await self.session(identity(self.folder, "region"))
        await town.subscribe(["alert/fr.idf.75.paris"])
        await region.subscribe(["alert/fr.idf"])
        nation = await self.session(self.nation)
        for headline, *label in (("below too", "TLP:AMBER", "fr.interieur.idf"),
                                 ("strict", "TLP:AMBER+STRICT", "fr.interieur.idf"), ("for all", "TLP:GREEN")):
            last = await nation.publish(message(self.nation, "alert/fr", headline, "Severe", *label))
        in_town, in_region = await until(town, caught_up(last["seq"])), await until(region, caught_up(last["seq"]))
        self.assertEqual(headlines(in_town), ["below too", "for all"])
        self.assertEqual(headlines(in_region), ["below too", "strict", "for all"])


class Lying(WithRelay):
    """Whatever the relay makes of frames, only what its author signed comes out as verified."""

    async def hear(self, tamper: Tamper, jws: list[str], channels: tuple[str, ...] = ("alert/fr.idf.75.paris",)
                   ) -> list[vigie.Heard]:
        """What the town hears through the proxy when the nation publishes these, and then an untouched one."""
        nation = await self.session(self.nation)
        async with lying(self.relay, tamper) as port:
            town = await self.session(self.town, port)
            await town.subscribe(list(channels))
            for one in jws:
                last = await nation.publish(one)
            heard = await until(town, caught_up(last["seq"]))
            await town.ws.close()
        return [one for one in heard if one.what not in ("mark", "reach")]

    def two(self) -> list[str]:
        return [message(self.nation, "alert/fr", f"number {n}") for n in range(2)]

    async def suspects(self, tamper: Tamper, *codes: str) -> None:
        heard = await self.hear(tamper, self.two())
        self.assertEqual([(one.what, one.code) for one in heard], [("suspect", code) for code in codes])
        self.assertTrue(all(one.message is None for one in heard))

    async def test_an_honest_proxy_changes_nothing(self) -> None:
        self.assertEqual(headlines(await self.hear(lambda frame: [frame], self.two())), ["number 0", "number 1"])

    async def test_flipped_bytes(self) -> None:
        def in_payload(frame: Frame) -> list[Frame]:
            if frame["op"] == "event":
                _, payload, _ = parts(frame["jws"])
                frame["jws"] = with_payload(frame["jws"], payload.replace(b"number", b"numbes"))
            return [frame]

        def in_signature(frame: Frame) -> list[Frame]:
            if frame["op"] == "event":
                signed, _, signature = frame["jws"].rpartition(".")
                raw = bytearray(vigie.unb64(signature, "bad"))
                raw[40] ^= 1
                frame["jws"] = f"{signed}.{vigie.b64(bytes(raw))}"
            return [frame]

        def in_text(frame: Frame) -> list[Frame]:
            if frame["op"] == "event":
                frame["jws"] = frame["jws"][:-1] + "="
            return [frame]

        await self.suspects(in_payload, "bad_signature", "bad_signature")
        await self.suspects(in_signature, "bad_signature", "bad_signature")
        await self.suspects(in_text, "malformed_token", "malformed_token")

    async def test_relabelled_channel(self) -> None:
        def tamper(frame: Frame) -> list[Frame]:
            if frame["op"] == "event":
                _, payload, _ = parts(frame["jws"])
                frame["jws"] = with_payload(frame["jws"], payload.replace(b'"alert/fr"', b'"alert/fr.idf"'))
            return [frame]
        await self.suspects(tamper, "bad_signature", "bad_signature")

    async def test_channel_not_subscribed_to(self) -> None:
        elsewhere = message(self.nation, "alert/fr.naq", "for others")

        def tamper(frame: Frame) -> list[Frame]:
            return [frame | {"jws": elsewhere} if frame["op"] == "event" else frame]
        await self.suspects(tamper, "not_subscribed", "not_subscribed")

    async def test_swapped_bodies(self) -> None:
        held: list[Frame] = []

        def tamper(frame: Frame) -> list[Frame]:
            if frame["op"] != "event":
                return [frame] if not held or frame["op"] != "mark" else []
            held.append(frame)
            if len(held) < 2:
                return []
            bodies = [parts(one["jws"])[1] for one in held]
            swapped = [one | {"jws": with_payload(one["jws"], body)} for one, body in zip(held, reversed(bodies))]
            held.clear()
            return swapped
        await self.suspects(tamper, "bad_signature", "bad_signature")

    async def test_moment_of_admission(self) -> None:
        def later(frame: Frame) -> list[Frame]:
            return [frame | {"admitted": frame["admitted"] + 3_600_000} if frame["op"] == "event" else frame]

        def earlier(frame: Frame) -> list[Frame]:
            return [frame | {"admitted": frame["admitted"] - 130_000} if frame["op"] == "event" else frame]
        await self.suspects(later, "expired", "expired")
        await self.suspects(earlier, "sent_in_future", "sent_in_future")

    async def test_foreign_chain(self) -> None:
        stranger = identity(self.init(self.folder.parent / "other"), "nation")
        forged = iter([message(stranger, "alert/fr", f"forged {n}") for n in range(2)])

        def with_messages(frame: Frame) -> list[Frame]:
            if frame["op"] == "event":
                frame["jws"] = next(forged)
            return [frame | {"chain": stranger.chain} if frame["op"] == "chain" else frame]

        def alone(frame: Frame) -> list[Frame]:
            return [frame | {"chain": stranger.chain} if frame["op"] == "chain" else frame]
        await self.suspects(with_messages, "unknown_root", "unknown_root")
        await self.suspects(alone, "unknown_credential", "unknown_credential")

    async def test_chain_with_a_forged_link(self) -> None:
        def longer(frame: Frame) -> list[Frame]:  # another id, so nothing names it
            if frame["op"] == "chain":
                *above, last = frame["chain"]
                _, payload, _ = parts(last)
                frame["chain"] = [*above, with_payload(last, payload.replace(b'"expires":1', b'"expires":2'))]
            return [frame]

        def resigned(frame: Frame) -> list[Frame]:  # the same id: it does not cover the signature
            if frame["op"] == "chain":
                *above, last = frame["chain"]
                frame["chain"] = [*above, f"{last.rpartition('.')[0]}.{above[0].rpartition('.')[2]}"]
            return [frame]
        await self.suspects(longer, "unknown_credential", "unknown_credential")
        await self.suspects(resigned, "bad_signature", "bad_signature")

    async def test_said_twice(self) -> None:
        """Each event comes again under the next sequence: it is given once."""
        def tamper(frame: Frame) -> list[Frame]:
            if frame["op"] == "event":
                return [frame | {"seq": 2 * frame["seq"]}, frame | {"seq": 2 * frame["seq"] + 1}]
            return [frame]
        self.assertEqual(headlines(await self.hear(tamper, self.two())), ["number 0", "number 1"])

    async def test_stale_line(self) -> None:
        silent = False

        def tamper(frame: Frame) -> list[Frame]:
            nonlocal silent
            if silent:
                return []
            silent = frame["op"] == "subscribed"
            return [frame | {"mark_ms": 100} if frame["op"] == "welcome" else frame]

        async with lying(self.relay, tamper) as port:
            town = await self.session(self.town, port)
            await town.subscribe(["alert/fr.idf.75.paris"])
            with self.assertRaisesRegex(vigie.LineBroken, "stale"):
                await until(town, lambda heard: False)

    async def test_protocol_broken(self) -> None:
        def tamper(frame: Frame) -> list[Frame]:
            return [frame | {"seq": "one"} if frame["op"] == "mark" else frame]
        with self.assertRaisesRegex(vigie.LineBroken, "broke the protocol"):
            await self.hear(tamper, self.two())


if __name__ == "__main__":
    unittest.main()
