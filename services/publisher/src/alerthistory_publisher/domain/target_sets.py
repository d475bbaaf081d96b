"""The targets in force, worked out of what the sources list: neither a mistake nor an outage takes one away."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from alerthistory_publisher.domain.targets import Target


@dataclass(frozen=True, slots=True)
class Malformed:
    """An entry that cannot be used, and every reason why."""

    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """All that a source holds, by a key that an entry keeps while it is edited. What it does not name is gone."""

    entries: Mapping[str, Target | Malformed]

    @classmethod
    def of(cls, targets: Iterable[Target]) -> "Listing":
        """Return the listing of *targets*, each under its own name."""
        return cls({target.name: target for target in targets})


class TargetProblem(NamedTuple):
    """Something that somebody should mend; *source* is where."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Holding:
    """What is known of one entry: its last valid version, and the version in force, if any."""

    valid: Target
    in_force: Target | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What one source last said that could be used, what of it could not, and why it cannot be read, if so."""

    name: str
    holdings: Mapping[str, Holding] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    failure: tuple[str, ...] = ()


_Change = Callable[[SourceState], SourceState]


@dataclass(frozen=True, slots=True)
class TargetSet:
    """The state of all sources, in their order. Every version in force has a name of its own."""

    sources: tuple[SourceState, ...] = ()
    clashes: tuple[TargetProblem, ...] = ()

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets in force, in the order of sources and entries."""
        held = (holding.in_force for source in self.sources for holding in source.holdings.values())
        return tuple(target for target in held if target is not None)

    @property
    def problems(self) -> tuple[TargetProblem, ...]:
        """All that should be mended."""
        told = (
            TargetProblem(source.name, text) for source in self.sources for text in (*source.failure, *source.problems)
        )
        return (*told, *self.clashes)

    def listed(self, source: str, listing: Listing) -> "TargetSet":
        """Return the set after *source* was read completely.

        A malformed entry keeps its last valid version; an entry that is not listed goes.
        """
        return self._with(source, lambda state: _listed(state, listing))

    def unreadable(self, source: str, problems: Iterable[str]) -> "TargetSet":
        """Return the set after *source* could not be read: all stays in force, and *problems* are told."""
        return self._with(source, lambda state: replace(state, failure=tuple(problems)))

    def _with(self, source: str, change: _Change) -> "TargetSet":
        return _resolved(tuple(change(each) if each.name == source else each for each in self.sources))


def empty_set(sources: Iterable[str]) -> TargetSet:
    """Return the set before any of *sources* was read."""
    return TargetSet(tuple(SourceState(name=name) for name in sources))


def _listed(state: SourceState, listing: Listing) -> SourceState:
    holdings: dict[str, Holding] = {}
    problems: list[str] = []
    for key, entry in listing.entries.items():
        held = state.holdings.get(key)
        if isinstance(entry, Target):
            holdings[key] = Holding(entry, held.in_force if held else None)
            continue
        problems += entry.problems
        if held:
            holdings[key] = held
    return SourceState(name=state.name, holdings=holdings, problems=tuple(problems))


class _Claim(NamedTuple):
    """An entry's claim to a name. The least claim to a name has it."""

    is_former: bool
    source: int
    is_new: bool
    position: int
    key: str
    target: Target


def _resolved(sources: tuple[SourceState, ...]) -> TargetSet:
    """Return the set in which every name belongs to one entry.

    The first source has it, and in one source the entry that had it. An entry that is refused its new name keeps the
    version in force, unless that one's name is another's now.
    """
    owners: dict[str, _Claim] = {}
    served: dict[tuple[int, str], Target] = {}
    clashes: list[TargetProblem] = []
    for claim in sorted(_claims(sources), key=lambda claim: claim[:4]):
        entry = (claim.source, claim.key)
        if entry in served:
            continue
        if owner := owners.get(claim.target.name):
            if not claim.is_former:
                clashes.append(TargetProblem(sources[claim.source].name, _clash(claim.target, owner.target)))
            continue
        owners[claim.target.name] = claim
        served[entry] = claim.target
    return TargetSet(tuple(_served(state, number, served) for number, state in enumerate(sources)), tuple(clashes))


def _claims(sources: tuple[SourceState, ...]) -> Iterable[_Claim]:
    for number, state in enumerate(sources):
        for position, (key, holding) in enumerate(state.holdings.items()):
            former = holding.in_force
            is_new = former is None or former.name != holding.valid.name
            yield _Claim(False, number, is_new, position, key, holding.valid)
            if former is not None and is_new:
                yield _Claim(True, number, is_new, position, key, former)


def _clash(target: Target, owner: Target) -> str:
    return f"{target.source}: the name {target.name!r} is taken by {owner.source}"


def _served(state: SourceState, number: int, served: Mapping[tuple[int, str], Target]) -> SourceState:
    holdings = {key: replace(holding, in_force=served.get((number, key))) for key, holding in state.holdings.items()}
    return replace(state, holdings=holdings)
