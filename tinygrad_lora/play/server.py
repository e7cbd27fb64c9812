"""The playground on this machine: a page for one browser, and the process that runs what is typed into it.

Whoever runs code for a web page must be careful whose page it is. The server listens on 127.0.0.1 alone. Its addresses
begin with a token that is drawn at its start and that only the browser gets to see. A request must name this very
host, so that no other name that leads here works, and what asks for a run must come from the page itself.
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Timer
from typing import Any

from .page import FILES, POLICY, page

LIMIT = 10.0  # seconds for one run
START = 60.0  # seconds for a process to start, on a busy machine
LARGEST = 100_000  # bytes of code


class Runner:
    """The process that runs code. What takes too long, or is stopped, ends with it; the next run gets another."""

    def __init__(self, limit: float = LIMIT) -> None:
        self.limit, self.latest = limit, 0
        self._asking, self._reading = Lock(), Lock()
        self._process: subprocess.Popen[str] | None = None

    def run(self, source: str) -> Iterator[dict[str, Any]]:
        """The parts of the sheet as they come. A later run takes the place of this one."""
        with self._asking:
            self.latest += 1
            number, process = self.latest, self._running()
            with suppress(OSError):  # it has just ended, and so nothing will come
                process.stdin.write(json.dumps({"run": number, "source": source}) + "\n")  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
        with self._reading:  # the run before sees that it is no longer wanted, and makes room
            if number == self.latest:
                yield from self._parts(number, process)

    def _parts(self, number: int, process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
        end = _kill_after(START, process)
        try:
            for line in process.stdout or ():
                message = json.loads(line)
                if message["run"] != number:
                    continue  # of an earlier run
                if "done" in message:
                    return
                if "began" in message:
                    end.cancel()
                    end = _kill_after(self.limit, process)
                else:
                    yield message
            process.wait()  # so that the next run sees that it is gone
            yield {"run": number, "ended": f"It was stopped, or took longer than {self.limit:g} seconds."}
        finally:
            end.cancel()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.close()  # its pipes
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            )  # fmt: skip
        return self._process

    def stop(self) -> None:
        """End the process, and with it what runs in it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End the process, and wait until all is put away."""
        self.stop()
        with self._reading:  # whoever still reads comes to an end first
            if self._process is not None:
                self._process.communicate()
                self._process = None


def _kill_after(seconds: float, process: subprocess.Popen[str]) -> Timer:
    timer = Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    return timer


class Playground(ThreadingHTTPServer):
    """The server. `address` is what to open in a browser."""

    daemon_threads = True

    def __init__(self, port: int = 0, limit: float = LIMIT) -> None:
        super().__init__(("127.0.0.1", port), _Requests)
        self.token, self.runner = secrets.token_urlsafe(18), Runner(limit)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def server_close(self) -> None:
        super().server_close()
        self.runner.close()


class _Requests(BaseHTTPRequestHandler):
    """One request: the page, one of its files, a run, or the end of one."""

    server: Playground
    server_version, sys_version = "tinygrad_lora", ""

    def do_GET(self) -> None:
        name = self._asked_for()
        if name is None:
            return
        if name == "":
            self._send(page().encode(), "text/html; charset=utf-8")
        elif name in FILES:
            kind, content = FILES[name]
            self._send(content().encode(), kind)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        name, size = self._asked_for(), self.headers.get("Content-Length", "")
        if name is None:
            return
        if self.headers.get("Origin") not in {f"http://{host}" for host in self.server.hosts}:
            self.send_error(403, "this does not come from the page")
        elif name == "stop":
            self.server.runner.stop()
            self._send(b"{}", "application/json")
        elif name != "run" or not size.isdecimal() or int(size) > LARGEST:
            self.send_error(404 if name != "run" else 413)
        else:
            self._answer(self.rfile.read(int(size)).decode("utf-8", "replace"))

    def _answer(self, source: str) -> None:
        """Send each part as soon as it is there, a line of JSON for each."""
        self._head("application/x-ndjson")
        with suppress(OSError):  # the browser no longer wants them
            for message in self.server.runner.run(source):
                self.wfile.write(json.dumps(message).encode() + b"\n")
                self.wfile.flush()

    def _asked_for(self) -> str | None:
        """What stands after the token in the address; None, and a refusal, for whoever does not know it."""
        _, token, *rest = [*self.path.partition("?")[0].split("/", 2), ""]
        known = secrets.compare_digest(token.encode(), self.server.token.encode())
        if self.headers.get("Host") not in self.server.hosts or not known:
            self.send_error(403, "open the address that the terminal shows")
            return None
        return rest[0]

    def _send(self, content: bytes, kind: str) -> None:
        self._head(kind, len(content))
        self.wfile.write(content)

    def _head(self, kind: str, size: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if size is not None:
            self.send_header("Content-Length", str(size))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")  # the token is in the address
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal shows the address, and it should stay in sight."""
