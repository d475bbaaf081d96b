"""The targets in force: last good versions, names used twice, and nothing lost to a mistake."""

from alerthistory_publisher.domain.target_sets import Listing, Malformed, TargetSet, empty_set
from alerthistory_publisher.domain.targets import Target

WRONG = Malformed(("k: wrong",))


def target(name: str, version: int = 1, *, at: str = "here") -> Target:
    return Target(name=name, format="webhook", url=f"https://x.example/{version}", source=at)


def listed(known: TargetSet, source: str, **entries: Target | Malformed) -> TargetSet:
    return known.listed(source, Listing(entries))


def names(known: TargetSet) -> list[str]:
    return [each.name for each in known.targets]


def texts(known: TargetSet) -> list[str]:
    return [each.text for each in known.problems]


def test_a_valid_entry_replaces_its_last_version_and_one_that_is_not_listed_goes() -> None:
    known = listed(empty_set(["s"]), "s", k=target("a"), m=target("b"))
    known = listed(known, "s", k=target("a", 2))
    assert known.targets == (target("a", 2),)
    assert known.problems == ()


def test_a_malformed_entry_keeps_its_last_version_until_it_is_mended_or_gone() -> None:
    known = listed(empty_set(["s"]), "s", k=target("a"))
    known = listed(known, "s", k=WRONG)
    assert known.targets == (target("a"),)
    assert texts(known) == ["k: wrong"]
    assert texts(listed(known, "s", k=target("a", 2))) == []
    assert names(listed(known, "s")) == []


def test_an_entry_that_was_never_valid_is_only_told() -> None:
    known = listed(empty_set(["s"]), "s", k=WRONG, m=target("b"))
    assert names(known) == ["b"]
    assert texts(known) == ["k: wrong"]


def test_a_source_that_cannot_be_read_keeps_its_targets_and_its_older_problems() -> None:
    known = listed(empty_set(["s", "t"]), "s", k=target("a"), m=WRONG).unreadable("s", ["away"])
    assert names(known) == ["a"]
    assert texts(known) == ["away", "k: wrong"]
    assert texts(listed(known, "s", k=target("a"))) == []


def test_targets_are_in_the_order_of_sources_and_entries() -> None:
    known = listed(empty_set(["s", "t"]), "t", k=target("c"), m=target("b"))
    assert names(listed(known, "s", k=target("z"))) == ["z", "c", "b"]


def test_the_first_source_has_a_name_even_if_it_comes_later() -> None:
    known = listed(empty_set(["s", "t"]), "t", k=target("a", 1, at="t k"))
    known = listed(known, "s", k=target("a", 2, at="s k"))
    assert known.targets == (target("a", 2, at="s k"),)
    assert known.problems == (("t", "t k: the name 'a' is taken by s k"),)
    assert listed(known, "s").targets == (target("a", 1, at="t k"),)


def test_in_one_source_the_entry_in_force_keeps_its_name() -> None:
    known = listed(empty_set(["s"]), "s", m=target("a", 1, at="m"))
    known = listed(known, "s", k=target("a", 2, at="k"), m=target("a", 3, at="m"))
    assert known.targets == (target("a", 3, at="m"),)
    assert texts(known) == ["k: the name 'a' is taken by m"]


def test_of_two_new_entries_the_first_has_the_name() -> None:
    known = listed(empty_set(["s"]), "s", k=target("a", 1), m=target("a", 2))
    assert known.targets == (target("a", 1),)


def test_an_entry_renamed_to_a_name_that_is_taken_stays_as_it_was() -> None:
    known = listed(empty_set(["s"]), "s", k=target("a"), m=target("b"))
    known = listed(known, "s", k=target("b", 2), m=target("b"))
    assert known.targets == (target("a"), target("b"))
    assert len(known.problems) == 1
    assert names(listed(known, "s", k=target("b", 2))) == ["b"]


def test_the_former_name_of_an_entry_may_be_given_to_another() -> None:
    known = listed(empty_set(["s"]), "s", k=target("a"), m=target("b"))
    known = listed(known, "s", k=target("b", 2), m=target("b"), n=target("a", 3))
    assert known.targets == (target("b"), target("a", 3))
    assert len(known.problems) == 1


def test_two_entries_may_exchange_their_names() -> None:
    known = listed(empty_set(["s"]), "s", k=target("a", 1), m=target("b", 2))
    known = listed(known, "s", k=target("b", 1), m=target("a", 2))
    assert known.targets == (target("b", 1), target("a", 2))
    assert known.problems == ()
