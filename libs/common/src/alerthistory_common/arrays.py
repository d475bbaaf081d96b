"""PostgreSQL's arrays in its binary form, a column at a time: the driver asks every element what it is."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

Encode = Callable[[Any], bytes]

_HEADER = struct.Struct("!iiIii")
_NULL = struct.pack("!i", -1)
_TRUE, _FALSE = struct.pack("!i?", 1, True), struct.pack("!i?", 1, False)


class EncodedArray(bytes):
    """An array as PostgreSQL takes it. Its statement says what it is of, by a cast; see ``array_dumper``."""

    __slots__ = ()


class ArrayOf:
    """Encodes arrays of one of PostgreSQL's types, which has the *oid*."""

    def __init__(self, oid: int, encode: Encode) -> None:
        self._oid = oid
        self._encode = encode

    def __call__(self, values: Sequence[Any]) -> EncodedArray:
        """Return the array of *values*; None is NULL."""
        if not values:
            return EncodedArray(struct.pack("!iiI", 0, 0, self._oid))
        encode = self._encode
        elements = [_NULL if value is None else encode(value) for value in values]
        return EncodedArray(_HEADER.pack(1, 1, self._oid, len(elements), 1) + b"".join(elements))


def of_texts(encode: Callable[[Any], bytes] = str.encode) -> ArrayOf:
    """Return what encodes ``text[]``; *encode* gives a value's UTF-8."""

    def sized(value: Any) -> bytes:
        content = encode(value)
        return len(content).to_bytes(4, "big") + content

    return ArrayOf(25, sized)


def _sized(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _number(form: str) -> Encode:
    """Return what encodes a number that has the *form*, a format character of ``struct``."""
    packer = struct.Struct(f"!i{form}")
    pack, size = packer.pack, packer.size - 4
    return lambda value: pack(size, value)


def _boolean(value: bool) -> bytes:
    return _TRUE if value else _FALSE


of_bytes = ArrayOf(17, _sized)
of_booleans = ArrayOf(16, _boolean)
of_bigints = ArrayOf(20, _number("q"))
of_smallints = ArrayOf(21, _number("h"))
of_integers = ArrayOf(23, _number("i"))
of_doubles = ArrayOf(701, _number("d"))
