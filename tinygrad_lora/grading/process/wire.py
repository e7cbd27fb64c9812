"""Frames between two processes: a header in JSON, and the bytes of its arrays. Nothing in a frame is ever executed."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

LARGEST = 64 * 2**20  # bytes of a frame; a check's arrays are a thousand times smaller
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
        if len(text) + len(body) > LARGEST:
            raise Misbehaved(f"a message of {(len(text) + len(body)) >> 20} MB is too large")
        try:
            self._socket.sendall(_SIZES.pack(len(text), len(body)) + text + body)
        except OSError:
            raise Gone from None

    def receive(self) -> tuple[dict[str, Any], list[bytes]]:
        """The next frame. Raises Gone at the end of the stream, and Misbehaved for bytes that are no frame."""
        header, body = _SIZES.unpack(self._read(_SIZES.size))
        if header + body > LARGEST:
            raise Misbehaved("a message is too large")
        text, rest, blobs = self._read(header), self._read(body), []
        try:
            message = json.loads(text)
            for size in message.pop("sizes"):
                blobs.append(rest[:size])
                rest = rest[size:] if size else rest
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Misbehaved("a message is not what it should be") from None
        return message, blobs

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
