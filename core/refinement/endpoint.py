"""An OpenAI-compatible endpoint: one question, one answer, tried again where that may help."""

import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from core.errors import InputError

_TRIES = 5
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds, doubled at each try
_LOOK_SECONDS = 0.1  # between looks at a line whose time is over
_MOST_BYTES = 4 << 20  # of an answer
_TOLD = 120  # characters of an endpoint's complaint in a message


class NoAnswerError(Exception):
    """One question got no usable answer; the others may."""


class StoppedError(Exception):
    """The work was given up while a question waited for its next try."""


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers, as `chat/completions` of OpenAI's interface.

    The key is read from the environment when a question is put. It is in no attribute, no message
    and no file, and goes nowhere but to this address: redirections are not followed.

    Attributes
    ----------
    url : the address before ``/chat/completions``, such as ``https://host/v1``.
    model : as the endpoint calls it.
    key_variable : environment variable with the key; "" where none is needed.
    seconds : how long an answer may take.
    """

    url: str
    model: str
    key_variable: str
    seconds: float

    def check(self) -> None:
        """Look at the address and for the key.

        Raises
        ------
        InputError
            The address cannot be used or holds a password, or there is no key.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                "The endpoint's address must begin with http:// or https://.", option="url"
            )
        if parts.username or parts.password or parts.query:
            raise InputError(
                "The endpoint's address must hold no password and no key; name the environment "
                "variable that has it.",
                option="url",
            )
        self._key()

    def ask(self, question: str, new_tokens: int, stop: threading.Event) -> str:
        """Put a question and return what is said; waits and tries again on 429, 5xx and silence.

        Raises
        ------
        NoAnswerError
            No usable answer after all tries, or one that is none; says why.
        InputError
            No question will ever be answered: a wrong key, model or address.
        StoppedError
            `stop` was set in the meantime.
        """
        body = json.dumps(
            {
                "model": self.model,
                "messages": [{"role": "user", "content": question}],
                "temperature": 0,
                "max_tokens": new_tokens,
            }
        ).encode()
        wait = _FIRST_WAIT
        for left in reversed(range(_TRIES)):
            if stop.is_set():
                raise StoppedError
            try:
                return _said(self._send(body))
            except _AgainError as error:
                if not left:
                    raise NoAnswerError(str(error)) from None
                if stop.wait(min(_LONGEST_WAIT, max(wait, error.wait))):
                    raise StoppedError from None
                wait *= 2
        raise AssertionError("unreachable")

    def _key(self) -> str:
        if not self.key_variable:
            return ""
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise InputError(
                f"The environment variable {self.key_variable} holds no key; set it, or name "
                "another (none where the endpoint wants none).",
                option="key_variable",
            )
        if not key.isascii() or not key.isprintable():
            raise InputError(
                f"The key in {self.key_variable} holds characters that no key has; set it again.",
                option="key_variable",
            )
        return key

    def _send(self, body: bytes) -> bytes:
        key = self._key()
        headers = {"Content-Type": "application/json", "User-Agent": "winnow"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        address = self.url.rstrip("/") + "/chat/completions"
        request = urllib.request.Request(address, body, headers, method="POST")  # noqa: S310
        opener = urllib.request.build_opener(_NoRedirection, _TimedHttp, _TimedHttps)
        until = time.monotonic() + self.seconds
        try:
            with opener.open(request, timeout=self.seconds) as answer:
                return _whole(answer, until)
        except urllib.error.HTTPError as error:
            raise _refusal(error, self, key, until) from None
        except _AgainError:
            raise
        except (OSError, ValueError, EOFError) as error:
            # Of the network, a time that is over, or an answer that is no HTTP.
            reason = getattr(error, "reason", error)
            raise _AgainError(f"no answer ({type(reason).__name__})") from None
        except Exception as error:
            raise _AgainError(f"no readable answer ({type(error).__name__})") from None


class _AgainError(Exception):
    """It may help to try again, after `wait` seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Follow nothing: another place must not get the key."""


class _Timed(urllib.request.AbstractHTTPHandler):
    """Counts the time for all that comes before an answer's body, not for each drop of it."""

    def do_open(self, http_class: Any, req: Any, **given: Any) -> Any:
        """Connect, ask and read the headers; then whatever still waits finds the line shut."""
        made: list[Any] = []

        def connection(*where: Any, **how: Any) -> Any:
            made.append(http_class(*where, **how))
            return made[-1]

        over = threading.Event()

        def watch() -> None:
            # More than once: it may still have been connecting.
            wait = req.timeout
            while not over.wait(wait):
                wait = _LOOK_SECONDS
                for one in made:
                    with suppress(OSError, AttributeError):  # there is no socket yet, or no more
                        # Not an encrypted socket's own, which is not for two threads.
                        socket.socket.shutdown(one.sock, socket.SHUT_RDWR)

        threading.Thread(target=watch, daemon=True).start()
        try:
            return super().do_open(connection, req, **given)
        finally:
            over.set()


class _TimedHttp(_Timed, urllib.request.HTTPHandler):
    pass


class _TimedHttps(_Timed, urllib.request.HTTPSHandler):
    pass


def _whole(answer: Any, until: float) -> bytes:
    """Read an answer that may come in drops; a time-out counts for all of it."""
    read = bytearray()
    while True:
        block = answer.read1(65_536)
        read += block
        # Of one that ends too late, even the headers may have been cut off.
        if len(read) > _MOST_BYTES or time.monotonic() > until:
            raise _AgainError("an answer without end")
        if not block:
            return bytes(read)


def _refusal(
    error: urllib.error.HTTPError, endpoint: Endpoint, key: str, until: float
) -> Exception:
    code = error.code
    if code in (408, 409, 425, 429) or code >= 500:
        return _AgainError(f"HTTP {code}", _asked_wait(error.headers.get("Retry-After")))
    if code in (401, 403):
        hint = f"; check the key in {endpoint.key_variable}" if key else "; it wants a key"
        return InputError(
            f"The endpoint refuses the key (HTTP {code}){hint}.", option="key_variable"
        )
    if code < 400:
        return InputError(
            f"The endpoint sends elsewhere (HTTP {code}), which is not followed; give the address "
            "that answers itself.",
            option="url",
        )
    if code in (404, 405):
        return InputError(
            f"The endpoint has no such model or address (HTTP {code}"
            f"{_complaint(error, key, until)}); check both.",
            option="url",
        )
    return NoAnswerError(f"HTTP {code}{_complaint(error, key, until)}")


def _complaint(error: urllib.error.HTTPError, key: str, until: float) -> str:
    try:
        said = json.loads(_whole(error, until))["error"]["message"]
    except Exception:
        return ""  # whatever it is, it is no complaint of the known form
    # Some endpoints repeat the key, whole or in part.
    words = [word for word in str(said).split() if not _tells(word, key)]
    return f", {' '.join(words)[:_TOLD]}" if words else ""


def _tells(word: str, key: str) -> bool:
    """Whether a word holds six characters of the key in a row."""
    return any(word[at : at + 6] in key for at in range(len(word) - 5)) if key else False


def _asked_wait(value: str | None) -> float:
    try:
        seconds = float(value or 0)
    except ValueError:
        return 0.0  # a date; our own waits will do
    return seconds if 0 <= seconds < float("inf") else 0.0


def _said(answer: bytes) -> str:
    try:
        said = json.loads(answer)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        said = None
    if not isinstance(said, str):
        raise NoAnswerError("an answer of another form")
    return said
