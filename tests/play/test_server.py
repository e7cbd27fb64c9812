"""The server of the playground answers the page that it sent, and nobody else."""

import json
import threading
from http.client import HTTPConnection

import pytest

from tinygrad_lora.play.server import LARGEST, Playground, Runner


@pytest.fixture(scope="module")
def playground():
    with Playground(limit=20.0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(server, method, path, body=None, **headers):
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    connection.putrequest(method, path, skip_host="Host" in named)
    for name, value in named.items():
        connection.putheader(name, value)
    if body is not None and "Content-Length" not in named:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def run(server, source, origin=True, **headers):
    origin = f"http://127.0.0.1:{server.server_port}" if origin is True else origin
    answer, text = asked(server, "POST", f"/{server.token}/run", source.encode(), Origin=origin, **headers)
    return answer.status, [json.loads(line) for line in text.splitlines()] if answer.status == 200 else text


def test_the_page_and_its_files_are_there(playground):
    for name in ("", "play.js", "play.css", "codemirror.js"):
        answer, text = asked(playground, "GET", f"/{playground.token}/{name}")
        assert answer.status == 200 and text
        assert "default-src 'none'" in answer.getheader("Content-Security-Policy")
        assert answer.getheader("Referrer-Policy") == "no-referrer"
    assert asked(playground, "GET", f"/{playground.token}/other.js")[0].status == 404


def test_code_runs_and_its_parts_come_back(playground):
    status, messages = run(playground, "x = tl.parameter(2.0)\nx * x\n")
    assert status == 200 and [m["part"] for m in messages] == [
        "said",
        "value",
        "picture",
        "numbers",
        "passes",
        "program",
    ]


@pytest.mark.parametrize("path", ["/", "/run", "/wrong/", "/wrong/run", "//run", "/%2e%2e/run"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_the_token_there_is_nothing(playground, method, path):
    assert asked(playground, method, path, b"1" if method == "POST" else None)[0].status == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example:80", ""])
def test_a_name_that_leads_here_is_not_this_host(playground, host):
    assert asked(playground, "GET", f"/{playground.token}/", Host=host)[0].status == 403


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1"])
def test_only_the_page_itself_may_run_code(playground, origin):
    assert run(playground, "1\n", origin)[0] == 403


def test_code_that_is_no_code_or_too_much_is_refused(playground):
    assert run(playground, "#" * (LARGEST + 1))[0] == 413
    assert run(playground, "1", Content_Length="-1")[0] == 413
    assert run(playground, "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"))[0] == 200


def test_an_endless_run_is_stopped_and_the_next_one_works(playground):
    origin = f"http://127.0.0.1:{playground.server_port}"
    answers = []
    thread = threading.Thread(target=lambda: answers.append(run(playground, "print(1)\nwhile True: pass\n")))
    thread.start()
    while not answers:
        asked(playground, "POST", f"/{playground.token}/stop", b"", Origin=origin)
        thread.join(0.2)
    assert "stopped" in answers[0][1][-1]["ended"]
    assert run(playground, "x = tl.parameter(2.0)\n")[1][-1]["part"] == "program"


@pytest.mark.slow
def test_a_run_that_takes_too_long_ends_with_its_process():
    runner = Runner(limit=3.0)
    try:
        assert [*runner.run("while True: pass\n")][-1]["ended"].endswith("longer than 3 seconds.")
        assert [m["part"] for m in runner.run("x = tl.parameter(2.0)\n")][-1] == "program"
    finally:
        runner.close()


def test_a_newer_run_takes_the_place_of_an_older_one(playground):
    results = {}

    def one(n):
        results[n] = run(playground, f"x = tl.parameter({n}.0)\nx * x\n")[1]

    threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = [messages for messages in results.values() if [m["part"] for m in messages[-1:]] == ["program"]]
    assert whole and all(m["run"] == messages[0]["run"] for messages in results.values() for m in messages)


def test_code_that_writes_to_the_answers_or_reads_input_confuses_nobody(playground):
    source = "import os, sys\nos.write(1, b'{\"run\": 1}\\n')\ntry:\n    input()\nexcept EOFError:\n    print('end')\n"
    assert "end" in run(playground, source)[1][0]["html"]
    assert run(playground, "import os\nos._exit(0)\n")[1][-1]["ended"]
    assert run(playground, "x = tl.parameter(2.0)\n")[1][-1]["part"] == "program"
