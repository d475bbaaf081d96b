"""Many patterns, tried on a text all at once. RE2: no text makes them slow."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

import re2

_MAX_MEMORY_BYTES = 32 * 1024 * 1024


class Patterns:
    """Patterns by number. Raises ValueError, which names the pattern, for one that RE2 does not take."""

    def __init__(self, patterns: Iterable[str]) -> None:
        options = re2.Options()
        # With less, the automaton of all patterns together is built again and again.
        options.max_mem = _MAX_MEMORY_BYTES
        self._set = re2.Set.SearchSet(options)
        self._count = 0
        for pattern in patterns:
            try:
                self._set.Add(pattern)
            except re2.error as error:
                text = error.args[0] if error.args else "not a pattern"
                shown = text.decode() if isinstance(text, bytes) else str(text)
                raise ValueError(f"{shown}: {pattern!r}") from error
            self._count += 1
        if self._count:
            self._set.Compile()

    def matching(self, text: str) -> AbstractSet[int]:
        """Return the numbers of the patterns that *text* matches somewhere."""
        return frozenset(self._set.Match(text) or ()) if self._count else frozenset()


class Groups:
    """Groups of patterns: a group fits when any of its patterns matches, and none of its exceptions."""

    def __init__(self, groups: Sequence[tuple[Sequence[str], Sequence[str]]]) -> None:
        self._members: list[tuple[frozenset[int], frozenset[int]]] = []
        patterns: list[str] = []
        for wanted, unwanted in groups:
            first, second = len(patterns), len(patterns) + len(wanted)
            patterns += [*wanted, *unwanted]
            self._members.append((frozenset(range(first, second)), frozenset(range(second, len(patterns)))))
        self._patterns = Patterns(patterns)

    def fitting(self, text: str) -> list[int]:
        """Return the numbers of the groups that fit *text*, in order."""
        found = self._patterns.matching(text)
        return [
            number for number, (wanted, unwanted) in enumerate(self._members) if found & wanted and not found & unwanted
        ]
