"""Frames between two processes: a header in JSON, and the bytes of its arrays. Nothing in a frame is ever executed."""

import json
import socket
import struct
from itertools import accumulate, pairwise
from typing import Any

LARGEST = 64 * 2**20  # bytes of a frame; a check's arrays are a thousand times smaller
LONGEST = 16 * 2**20  # bytes of its header: a graph of a hundred thousand nodes
_SIZES = struct.Struct("!IQ")


class Misbehaved(Exception):  # noqa: N818, `raise Misbehaved` says it
    """The other process sent what no honest one sends."""


class Gone(Exception):  # noqa: N818
    """The other process has ended."""


class Channel:
    """One end of a connection that carries frames."""

    def __init__(self, end: socket.socket) -> None:
        self._socket, self._buffer = end, bytearray()

    def send(self, header: dict[str, Any], blobs: list[bytes]) -> None:
        """Send a frame. Raises Gone if nobody reads any more, and Misbehaved if it is too large."""
        text = json.dumps(header | {"sizes": [len(blob) for blob in blobs]}, separators=(",", ":")).encode()
        body = b"".join(blobs)
        if len(text) + len(body) > LARGEST or len(text) > LONGEST:
            raise Misbehaved(f"a message of {(len(text) + len(body)) >> 20} MB is too large")
        try:
            self._socket.sendall(_SIZES.pack(len(text), len(body)) + text + body)
        except OSError:
            raise Gone from None

    def receive(self) -> tuple[dict[str, Any], list[bytes]]:
        """The next frame. Raises Gone at the end of the stream, and Misbehaved for bytes that are no frame."""
        header, body = _SIZES.unpack(self._read(_SIZES.size))
        if header + body > LARGEST or header > LONGEST:
            raise Misbehaved("a message is too large")
        text, rest = self._read(header), self._read(body)
        try:
            message = json.loads(text)
            sizes = message.pop("sizes")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
            raise Misbehaved("a message is no JSON with the sizes of its arrays") from None
        if type(message) is not dict or type(sizes) is not list or not all(type(n) is int and n >= 0 for n in sizes):
            raise Misbehaved("the sizes of the arrays are no numbers")
        if sum(sizes) != body:
            raise Misbehaved("the arrays are larger or smaller than what came")
        ends = [0, *accumulate(sizes)]
        return message, [rest[start:end] for start, end in pairwise(ends)]

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            try:
                part = self._socket.recv(1 << 20)
            except OSError:
                raise Gone from None
            if not part:
                raise Gone
            self._buffer += part
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
