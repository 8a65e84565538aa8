"""JSON from a file that may have been damaged: parsed strictly, and read field by field with its type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn

_LONGEST_TEXT: Final = 2000
_SHOWN: Final = 60  # signs of a wrong value that are told
_LARGEST: Final = 1e9  # no number that is meant is larger


class MalformedError(ValueError):
    """The message says which field is wrong and how, without a full stop."""


def parse_strictly(data: bytes) -> Any:
    """What the bytes say.

    Raises:
        MalformedError: they are no JSON in UTF-8, nested too deeply, name a field twice, or hold NaN or Infinity.
    """
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_no_number)
    except MalformedError:
        raise
    except ValueError as error:
        # Without the bytes: Python's own words repeat them.
        reason = "it is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise MalformedError(f"not valid JSON ({reason})") from error
    except RecursionError:
        raise MalformedError("not valid JSON (it is nested too deeply)") from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedError(f"malformed: it names {_shown(twice)} twice in one object")
    return fields


def _no_number(name: str) -> NoReturn:
    raise MalformedError(f"malformed: {name} is no number")


class Field:
    """One value of parsed JSON with the way to it. What is not as asked for raises ``MalformedError``."""

    def __init__(self, value: Any, where: str = "") -> None:
        self._value = value
        self._where = where

    def wrong(self, wanted: str) -> MalformedError:
        """What to raise where the value is not what it must be."""
        return MalformedError(f"malformed: {self._where or 'all of it'} must be {wanted}, got {_shown(self._value)}")

    def fields(self, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Field]:
        """An object with these fields and no others; optional ones may be absent."""
        found = dict(self.items())
        for name in found:
            if name not in required and name not in optional:
                raise MalformedError(f"malformed: {self._where or 'it'} has an unknown field {_shown(name)}")
        for name in required:
            if name not in found:
                raise MalformedError(f"malformed: {self._under(name)} is missing")
        return found

    def items(self) -> Iterator[tuple[str, Field]]:
        """Fields of an object whose names are free."""
        if not isinstance(self._value, dict):
            raise self.wrong("an object")
        for name, value in self._value.items():
            yield name, Field(value, self._under(name))

    def _under(self, name: str) -> str:
        plain = name if name.isprintable() and 0 < len(name) <= _SHOWN else _shown(name)
        return f"{self._where}.{plain}" if self._where else plain

    def list(self, least: int = 0, most: int = 1000) -> list[Field]:
        """The entries of a list with so many of them."""
        if not isinstance(self._value, list) or not least <= len(self._value) <= most:
            raise self.wrong(f"a list of {least} to {most} entries")
        return [Field(value, f"{self._where}[{i}]") for i, value in enumerate(self._value)]

    def texts(self, least: int = 0) -> tuple[str, ...]:
        """A list of texts, each of them once and not empty."""
        texts = tuple(entry.text(least=1) for entry in self.list(least))
        if len(set(texts)) < len(texts):
            raise MalformedError(f"malformed: {self._where} names something twice")
        return texts

    def text(self, least: int = 0) -> str:
        """A text of signs that can be shown."""
        text = self._value
        if not isinstance(text, str) or not least <= len(text) <= _LONGEST_TEXT or not text.isprintable():
            raise self.wrong(f"a text of {least} to {_LONGEST_TEXT} printable characters")
        return text

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self._value, bool):
            raise self.wrong("true or false")
        return self._value

    def whole(self) -> int:
        """A whole number."""
        if not isinstance(self._value, int) or isinstance(self._value, bool) or not abs(self._value) <= _LARGEST:
            raise self.wrong("a whole number")
        return self._value

    def number(self) -> float:
        """A number, which is finite."""
        value = self._value
        # Compared before it is converted: a whole number may be larger than any float.
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _LARGEST:
            raise self.wrong("a number")
        return float(value)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} with {len(value)} entries"
    # Not all of a whole number: Python refuses to write very long ones.
    text = repr(value) if not isinstance(value, int) or abs(value) <= _LARGEST else "a number far too large"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
