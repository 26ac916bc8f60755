"""The judge against a local server that answers well, badly, late, and not at all."""

import contextlib
import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from refining import make_work, silent

from core.errors import InputError
from core.refinement.registry import SCORERS, Place
from core.refinement.scorers.judge import _question, _rating

KEY = "sk-test-9f8e7d6c5b4a39281706"


class Server(ThreadingHTTPServer):
    """Does with each request what the next of `script` says; the last one stays."""

    daemon_threads = True

    def __init__(self, *script):
        self.script = list(script)
        self.seen = []
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = body["messages"][0]["content"]
        with self.server.lock:
            script = self.server.script
            act = script.pop(0) if len(script) > 1 else script[0]
            self.server.seen.append((self.path, dict(self.headers), body))
        act(self, question)

    def log_message(self, *arguments):
        pass

    def reply(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def say(self, text):
        choice = {"message": {"role": "assistant", "content": text}}
        self.reply(200, json.dumps({"choices": [choice]}).encode())


def rate(handler, question):
    """2 for an answer about Rome, else 9."""
    handler.say("[[2]]" if "Rome, of course" in question.split("<answer>")[1] else "[[9]]")


def fail(code, body=b"", **headers):
    return lambda handler, question: handler.reply(code, body, **headers)


def say(text):
    return lambda handler, question: handler.say(text)


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    monkeypatch.setattr("core.refinement.endpoint._FIRST_WAIT", 0.01)
    monkeypatch.setattr("core.refinement.endpoint._LONGEST_WAIT", 0.05)
    servers = []

    def start(*script):
        servers.append(Server(*script))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def make(server, **options):
    given = {"url": server.url, "model": "judge-1", "key_variable": "JUDGE_KEY", "parallel": 2}
    kind = SCORERS["judge"]
    return kind.make(kind.resolve(given | options), Place(np.zeros(1, np.int32), None))


@pytest.fixture
def work(tmp_path):
    return make_work(tmp_path, chosen=[0, 1, 3, 9])  # 1 and 9 are on Rome


def test_it_rates_answers(serve, work):
    server = serve(rate)
    scores = make(server).score(work, None, progress=silent)
    assert scores.values.tolist() == [9, 2, 9, 2]
    assert scores.notes[0].startswith("4 questions put, about ")
    path, headers, body = server.seen[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body["model"] == "judge-1"
    assert body["temperature"] == 0


def test_it_compares_with_what_the_model_says(serve, work):
    said = dict.fromkeys([0, 1, 3, 9], "It is Rome, of course")
    scorer = make(serve(rate), against="generated")
    scores = scorer.score(replace(work, generations=said), None, progress=silent)
    assert scores.values.tolist() == [7, 0, 7, 0]
    with pytest.raises(InputError, match="no model whose answers could be compared; bring"):
        scorer.score(work, None, progress=silent)


def test_what_was_rated_is_not_asked_again(serve, work):
    first = serve(rate)
    make(first).score(work, None, progress=silent)
    with (work.folder / "judge.jsonl").open("a") as out:
        out.write('\n{"question": "cut o')
    dead = replace(make(first), endpoint=make(first).endpoint)
    asked = len(first.seen)
    assert dead.score(work, None, progress=silent).values.tolist() == [9, 2, 9, 2]
    assert len(first.seen) == asked
    other = make(first, model="judge-2").score(work, None, progress=silent)
    assert len(first.seen) == 2 * asked
    assert other.values.tolist() == [9, 2, 9, 2]


@pytest.mark.parametrize(
    "trouble", [fail(429, Retry_After="0"), fail(500), fail(503, Retry_After="soon")]
)
def test_it_tries_again(serve, work, trouble):
    server = serve(trouble, trouble, rate)
    assert make(server).score(work, None, progress=silent).values.tolist() == [9, 2, 9, 2]
    assert len(server.seen) == 6


def drop(handler, question):
    handler.close_connection = True
    handler.connection.close()


def hang(handler, question):
    time.sleep(1.2)


def drip(handler, question):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b" ")
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (fail(429), "4 × HTTP 429"),
        (say("A fine answer, I would say 8 or 9."), "4 × an answer without a rating"),
        (say("[[11]]"), "an answer without a rating"),
        (say(""), "an answer without a rating"),
        (fail(200, b"<html>hello</html>"), "an answer of another form"),
        (fail(200, b'{"choices": []}'), "an answer of another form"),
        (fail(400, b'{"error": {"message": "too long"}}'), "HTTP 400, too long"),
        (drop, "no answer .RemoteDisconnected"),
    ],
)
def test_an_endpoint_that_talks_nonsense_or_nothing(serve, work, act, message):
    with pytest.raises(InputError, match=f"The judge fails too often .*{message}"):
        make(serve(act), most_failed=0.75).score(work, None, progress=silent)


def drip_headers(handler, question):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drops(handler)


def drip_a_complaint(handler, question):
    handler.wfile.write(b"HTTP/1.1 400 Bad\r\nContent-Length: 100000\r\n\r\n")
    drops(handler)


def drops(handler):
    """For a long time, and then whole: only who waits to the end gets here."""
    with contextlib.suppress(OSError):
        for _ in range(300):
            handler.wfile.write(b"a")
            handler.wfile.flush()
            time.sleep(0.05)


@pytest.mark.parametrize("act", [hang, drip, drip_headers, drip_a_complaint])
def test_an_endpoint_that_is_too_slow(serve, work, act, monkeypatch):
    monkeypatch.setattr("core.refinement.endpoint._TRIES", 2)
    began = time.monotonic()
    with pytest.raises(InputError, match="The judge fails too often"):
        make(serve(act), seconds=0.2, parallel=4).score(work, None, progress=silent)
    assert time.monotonic() - began < 6


def test_a_few_failures_are_borne_and_said(serve, work):
    scorer = make(serve(say("Hm."), rate), parallel=1)
    scores = scorer.score(work, None, progress=silent)
    assert np.isnan(scores.values).sum() == 1
    assert "1 × an answer without a rating; their rows are not scored." in scores.notes
    assert np.isfinite(scorer.score(work, None, progress=silent).values).all()  # asked again


@pytest.mark.parametrize("most_failed", [0.0, 0.1, 1.0])
def test_a_round_of_which_nothing_is_rated_is_not_done(serve, tmp_path, most_failed):
    work = make_work(tmp_path, chosen=[0, 1])
    with pytest.raises(InputError, match=r"fails too often \([12] × an answer without"):
        make(serve(say("Hm.")), most_failed=most_failed).score(work, None, progress=silent)


def test_no_failure_allowed_is_none(serve, work):
    with pytest.raises(InputError, match=r"fails too often \(1 × an answer without"):
        make(serve(say("Hm."), rate), parallel=1, most_failed=0.0).score(
            work, None, progress=silent
        )


def test_one_row_that_cannot_be_rated_does_not_hold_up_the_others(serve, work):
    def refuse(handler, question):
        (say("Hm.") if "Rome, of course" in question else rate)(handler, question)

    scorer = make(serve(refuse))
    for _ in range(2):  # the second time, only those are asked, and all of them fail
        assert np.isnan(scorer.score(work, None, progress=silent).values).sum() == 2


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (fail(401, json.dumps({"error": {"message": f"bad key {KEY}"}}).encode()), "HTTP 401"),
        (fail(403), "refuses the key .HTTP 403.; check the key in JUDGE_KEY"),
        (
            fail(404, b'{"error": {"message": "no judge-1"}}'),
            "no such model or address .HTTP 404, no",
        ),
        (fail(302, Location="http://127.0.0.1:9/v1"), "sends elsewhere .HTTP 302., which is not"),
    ],
)
def test_what_will_never_work_stops_at_once(serve, work, act, message):
    server = serve(act)
    with pytest.raises(InputError, match=message):
        make(server, parallel=1).score(work, None, progress=silent)
    assert len(server.seen) <= 2


def test_the_key_is_nowhere(serve, work):
    told = json.dumps({"error": {"message": f"the key {KEY[:12]}*** and {KEY} are old"}}).encode()
    scorer = make(serve(fail(400, told)), most_failed=0.0)
    with pytest.raises(InputError, match="the key and are old") as caught:
        scorer.score(work, None, progress=silent)
    assert KEY[:12] not in str(caught.value)
    assert KEY not in repr(scorer)
    make(serve(rate)).score(work, None, progress=silent)
    for path in work.folder.rglob("*"):
        assert KEY.encode() not in path.read_bytes()


def test_it_does_not_start_beyond_its_caps(serve, work):
    server = serve(rate)
    with pytest.raises(InputError, match="about 4 calls, and 3 are allowed; allow more or choose"):
        make(server, most_calls=3).score(work, None, progress=silent)
    with pytest.raises(InputError, match=r"about [\d,]+ tokens, and 100 are allowed"):
        make(server, most_tokens=100).score(work, None, progress=silent)
    assert server.seen == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "ftp://host/v1"}, "must begin with http"),
        ({"url": "https://me:secret@host/v1"}, "must hold no password and no key"),
        ({"url": "https://host/v1?key=1"}, "must hold no password and no key"),
        ({"key_variable": "NO_SUCH_KEY"}, "variable NO_SUCH_KEY holds no key; set it"),
        ({"url": ""}, "Address is missing"),
    ],
)
def test_addresses_and_keys_are_checked_first(serve, options, message):
    with pytest.raises(InputError, match=message):
        make(serve(rate), **options)


def test_a_local_endpoint_needs_no_key(serve, work):
    server = serve(rate)
    make(server, key_variable="none").score(work, None, progress=silent)
    assert all("Authorization" not in headers for _, headers, _ in server.seen)


def test_cancelling_ends_it(serve, work):
    def cancel(done, total, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(serve(rate)).score(work, None, progress=cancel)


@pytest.mark.parametrize(
    ("said", "rating"),
    [("[[7]]", 7), ("Rating: [[10]]", 10), (" **8** ", 8), ("9/10.", 9), ("[[3.0]] or [[4]]", 4)],
)
def test_ratings_are_read(said, rating):
    assert _rating(said) == rating


def test_braces_in_a_row_are_only_text():
    asked = _question("what is {answer}?", "a {prompt} }{")
    assert "<question>\nwhat is {answer}?\n</question>" in asked
    assert "<answer>\na {prompt} }{\n</answer>" in asked
