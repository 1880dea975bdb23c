"""Between a checker that speaks plain WebSocket and what speaks Vigie's transport: TLS, the path `/`, one subprotocol.

Only the two heads of HTTP are changed, and TLS is put on or taken off; from there on bytes go through as they come.
"""
from __future__ import annotations

import asyncio
import contextlib
import itertools
import pathlib
import ssl

SUBPROTOCOL = "Sec-WebSocket-Protocol"
OURS = f"{SUBPROTOCOL}: vigie.v1"
PIECE = 64 * 1024


async def head(reader: asyncio.StreamReader) -> list[str]:
    """The lines of a request or an answer, the empty one left out."""
    return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]


def without_subprotocol(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.lower().startswith(f"{SUBPROTOCOL.lower()}:")]


def put(writer: asyncio.StreamWriter, lines: list[str]) -> None:
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    # Who ends, ends both ways: TLS in Python has no half of a connection.
    writer.close()


async def join(one: tuple[asyncio.StreamReader, asyncio.StreamWriter],
               other: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    await asyncio.gather(pump(one[0], other[1]), pump(other[0], one[1]))


async def listening(serve, **options) -> tuple[asyncio.Server, int]:  # noqa: ANN001, ANN003
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, **options)
    return server, server.sockets[0].getsockname()[1]


async def to_relay(port: int, authority: pathlib.Path) -> tuple[asyncio.Server, int]:
    """A checker's client, to a listener of ours on 127.0.0.1, whose certificate is checked."""
    context = ssl.create_default_context(cafile=authority)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await head(reader)
        relay = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        put(relay[1], [*request, OURS])
        put(writer, without_subprotocol(await head(relay[0])))
        await join((reader, writer), relay)

    return await listening(serve)


async def to_checker(port: int, certificate: pathlib.Path, key: pathlib.Path) -> tuple[asyncio.Server, int]:
    """Lines of the SDK, to a checker's server on 127.0.0.1: the first is its case 1, and so on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    cases = itertools.count(1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, *fields = without_subprotocol(await head(reader))
        checker = await asyncio.open_connection("127.0.0.1", port)
        put(checker[1], [f"GET /runCase?case={next(cases)}&agent=vigie HTTP/1.1", *fields])
        put(writer, [*await head(checker[0]), OURS])
        await join((reader, writer), checker)

    return await listening(serve, ssl=context)


async def asked(port: int, path: str) -> str:
    """What a checker's server says on this path, once it is there; empty where it says nothing."""
    for _ in range(100):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0.1)
    put(writer, [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
    await head(reader)
    frame = await reader.read()
    writer.close()
    # One text frame of up to 125 bytes, then a close.
    return frame[2:2 + frame[1]].decode() if frame[:1] == b"\x81" else ""
