"""A `config.pbtxt` as a `ModelConfig` with the position of every field.

It accepts what C++ protobuf's TextFormat accepts, and so what Triton accepts; Python's own
`text_format` differs (tests/modelconfig/test_read.py lists where) and knows no positions.
"""

from __future__ import annotations

import errno
import functools
from pathlib import Path

import msgspec

from trtbuild.errors import ConfigError
from trtbuild.foreign import read_file
from trtbuild.modelconfig import grammar
from trtbuild.modelconfig.fields import Table, table_of
from trtbuild.modelconfig.positions import Index, Lines, Node, Place, Span, index_of
from trtbuild.modelconfig.reader import Reader
from trtbuild.modelconfig.schema import Config, schema

# Real configs have some kilobytes, an ensemble of a thousand steps half a megabyte. A larger file
# than this is something else that was given the name: gRPC clients would refuse the server's
# answer about such a config (their limit is 4 MiB). At the limit reading takes at most seconds
# and a few hundred megabytes of memory.
MAX_BYTES = 4 << 20


class Comment(msgspec.Struct, frozen=True):
    """A comment: its words without `#`, and where the `#` stands."""

    words: str
    place: Place
    own_line: bool  # nothing but space stands before it


class ParsedConfig(msgspec.Struct, frozen=True, dict=True, eq=False):
    """A config that was read. Positions are worked out when they are first asked for."""

    file: str
    text: str
    message: Config
    not_utf8: tuple[int, ...] = ()  # offsets of texts that are no UTF-8: read with U+FFFD

    @functools.cached_property
    def lines(self) -> Lines:
        """Offsets into `text` as lines and columns."""
        return Lines(self.text)

    @functools.cached_property
    def nodes(self) -> list[Node]:
        """The fields in the order of the text."""
        return Reader(self.text, self.file).nodes(_top_table())

    @functools.cached_property
    def index(self) -> Index:
        """Path (see `positions.py`) -> the spans of the field; the last one counts."""
        return index_of(self.nodes)

    @functools.cached_property
    def comments(self) -> tuple[Comment, ...]:
        """Every comment of the file, in order."""
        return comments_of(self.text)

    def span(self, path: str) -> Span | None:
        """Where the field `path` stands, None where the file does not say it."""
        spans = self.index.get(path)
        return spans[-1] if spans else None

    def place(self, path: str) -> Place:
        """The place of `path`'s value, or of the nearest field around it; 1:1 where none is."""
        while path:
            if (span := self.span(path)) is not None:
                return self.lines.place(span.value)
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return Place(1, 1)


def comments_of(text: str) -> tuple[Comment, ...]:
    """The comments of `text`, which may as well be no valid config."""
    if "#" not in text:
        return ()
    lines, found = Lines(text), []
    for start, end in grammar.comments(text):
        place = lines.place(start)
        before = text[start - place.column + 1 : start]
        found.append(Comment(text[start + 1 : end].strip(), place, not before.strip()))
    return tuple(found)


def read_config(path: Path) -> ParsedConfig:
    """Read the config at `path`.

    Raises `ConfigSyntaxError` for a text that is no ModelConfig, `ConfigError` where the file
    cannot be read, is no regular file or is larger than `MAX_BYTES`.
    """
    return parse_config(_content(path), str(path))


def _content(path: Path) -> bytes:
    try:
        return read_file(path, MAX_BYTES)
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.EINVAL):
            raise ConfigError(f"{path} is no regular file", "put a text file there") from error
        if error.errno == errno.EFBIG:
            raise ConfigError(
                f"{path} is larger than {MAX_BYTES >> 20} MiB, the largest config that is read",
                "is this a model file with the wrong name?",
            ) from error
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def parse_config(content: bytes | str, file: str = "config.pbtxt") -> ParsedConfig:
    """Read a config's text; `file` is its name in messages. Raises `ConfigSyntaxError`."""
    if isinstance(content, bytes):
        content = content.decode("utf-8", "surrogateescape")
    reader = Reader(content, file)
    message = schema().ModelConfig(**reader.values(_top_table()))
    return ParsedConfig(file, content, message, tuple(reader.not_utf8))


def _top_table() -> Table:
    return table_of(schema().ModelConfig.DESCRIPTOR)
