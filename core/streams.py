"""The bytes of a file, decompressed as they are read; damage is told apart from the end."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import zstandard

from core.errors import InputError

BLOCK = 1 << 20  # bytes read at once, and how far into a file the sniffing looks
# Compressed bytes handed over at once. Zstandard gives no output of a piece that fails, so a
# small piece keeps what stands before the damage; gzip fails to the byte, see `_Gzip`.
_PIECE = {"gzip": 1 << 16, "zstd": 1 << 12}


class DamageError(Exception):
    """The rest of a file cannot be read; the message says why."""


class Stream:
    """A file's bytes, decompressed while they are read.

    Attributes
    ----------
    compression : "gzip", "zstd" or None; told by the first bytes.

    Raises
    ------
    InputError
        The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
            magic = self._file.read(4)
            self._file.seek(0)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from None
        self.compression = _compression(magic)
        self._pieces = self._decompressed()
        self._ready = bytearray()
        self._damage: DamageError | None = None

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    @property
    def position(self) -> int:
        """Bytes of the file that are used up, as stored."""
        return self._file.tell()

    def read(self, size: int = BLOCK) -> bytes:
        """Return up to `size` bytes; b"" at the end.

        Raises
        ------
        DamageError
            All that could be read has been returned, and the rest is broken or cut off.
        """
        self._fill(size)
        if not self._ready and self._damage:
            raise self._damage
        block = bytes(self._ready[:size])
        del self._ready[:size]
        return block

    def peek(self) -> bytes:
        """Return the first block without using it up."""
        self._fill(BLOCK)
        return bytes(self._ready[:BLOCK])

    def _fill(self, size: int) -> None:
        while len(self._ready) < size and self._damage is None:
            try:
                piece = next(self._pieces, None)  # b"" is a piece that gave nothing yet
            except DamageError as damage:
                self._damage = damage
                return
            if piece is None:
                return
            self._ready += piece

    def _decompressed(self) -> Iterator[bytes]:
        if self.compression is None:
            yield from self._raw(BLOCK)
            return
        make = _Gzip if self.compression == "gzip" else _Zstd
        member: _Member = make()
        started = False
        for piece in self._raw(_PIECE[self.compression]):
            left = piece
            while left:
                if member.eof:
                    if not left.strip(b"\0"):  # padding after the last member
                        break
                    member, started = make(), False
                started = True
                yield from member.feed(left)
                left = member.unused_data if member.eof else b""
        if started and not member.eof:
            raise DamageError(f"the {self.compression} data is cut off")

    def _raw(self, size: int) -> Iterator[bytes]:
        try:
            while block := self._file.read(size):
                yield block
        except OSError as error:
            raise DamageError(f"the disk gave no more ({error.strerror})") from None


class _Member(Protocol):
    """One gzip member or zstandard frame; a file may hold several."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def feed(self, piece: bytes) -> Iterator[bytes]: ...


class _Gzip:
    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def feed(self, piece: bytes) -> Iterator[bytes]:
        before = self._inflate.copy()
        try:
            good = self._inflate.decompress(piece)
        except zlib.error:
            self._inflate = before
            for at in range(len(piece)):
                try:
                    yield self._inflate.decompress(piece[at : at + 1])
                except zlib.error as error:
                    raise DamageError(f"the gzip data is damaged ({error})") from None
        else:
            yield good


class _Zstd:
    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor().decompressobj()

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data

    def feed(self, piece: bytes) -> Iterator[bytes]:
        try:
            yield self._frame.decompress(piece)
        except zstandard.ZstdError as error:
            raise DamageError(f"the zstd data is damaged ({error})") from None


def _compression(magic: bytes) -> str | None:
    if magic[:2] == b"\x1f\x8b":
        return "gzip"
    skippable = len(magic) == 4 and magic[0] & 0xF0 == 0x50 and magic[1:] == b"\x2a\x4d\x18"
    return "zstd" if magic == b"\x28\xb5\x2f\xfd" or skippable else None
