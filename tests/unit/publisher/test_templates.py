"""Titles and descriptions in an operator's own words: what they can say, and that they can do no harm."""

import json
import re
import time
import tracemalloc
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats.choice import FORMATS, TEMPLATED
from alerthistory_publisher.domain.formats.content import Content, read
from alerthistory_publisher.domain.templates import (
    FILTERS,
    MAX_OUTPUT_LENGTH,
    MAX_TEMPLATE_LENGTH,
    METHODS,
    VARIABLES,
    TemplateFailedError,
    render,
    template_problem,
)
from tests.events import event, verdict
from tests.unit.publisher.letters import claim, document, ended, packed, target

LABELS = {"alertname": "DiskFull", "namespace": "prod", "severity": "page", "team-name": "db", "n": 5}


def content(**overrides: object) -> Content:
    told = event(labels=LABELS, annotations={"summary": "Full & <b>", "long": "x" * 100_000}, generator_url="https://p")
    return read(Publication(event=told, verdict=verdict(confidence=0.95, recommendations=("Clean.", "Grow."))))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ alert_name }} in {{ namespace }} is {{ status }}", "DiskFull in prod is firing"),
        ("{{ severity }} {{ fingerprint }} {{ generator_url }}", "page 00000000000000a1 https://p"),
        ("{{ starts_at }}/{{ ends_at }}", "2025-10-09T08:53:20+00:00/"),
        ("{{ labels['team-name'] }} {{ labels.n }}", "db 5"),
        ("{{ annotations.summary }}", "Full & <b>"),
        ("[{{ labels.nothing.at.all }}]", "[]"),
        ("{{ labels.nothing or 'nobody' }} {{ labels.nothing|default('x') }}", "nobody x"),
        (
            "{{ verdict.severity }} {{ verdict.confidence|percent }} {{ verdict.reasoning }}",
            "warning 95% Nothing better is known.",
        ),
        ("{% for text in verdict.recommendations %}{{ loop.index }}. {{ text }} {% endfor %}", "1. Clean. 2. Grow."),
        ("{{ verdict.recommendations|join('; ')|upper }}", "CLEAN.; GROW."),
        (
            "{% for name, value in labels|dictsort %}{{ name }}={{ value }} {% endfor %}",
            "alertname=DiskFull n=5 namespace=prod severity=page team-name=db",
        ),
        ("{{ labels.get('x', 'none') }} {{ alert_name.startswith('Disk') }}", "none True"),
        ("{% if severity == 'page' and labels.n|int > 4 %}wake up{% else %}sleep{% endif %}", "wake up"),
        (
            "{{ alert_name|replace('Disk', 'Disc ')|truncate(8, false, '...', 0) }} {{ 'a' ~ 'b' }} {{ 2 * 3 + 1 }}",
            "Disc... ab 7",
        ),
    ],
)
def test_a_template_says_what_the_alert_is(template: str, expected: str) -> None:
    assert render(template, content()) == expected
    assert template_problem(template) == ""


def test_without_a_verdict_a_template_goes_without_it() -> None:
    unjudged = read(Publication(event=ended()))
    assert render("{% if verdict %}judged{% else %}{{ status }} {{ ends_at }}{% endif %}", unjudged) == (
        "resolved 2025-10-09T09:58:20+00:00"
    )
    assert render("[{{ verdict.confidence|percent }}{{ verdict.recommendations|join }}]", unjudged) == "[]"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ alert_name", "line 1: unexpected end of template"),
        ("\n{% if %}", "line 2: "),
        ("{{ alert_name|shout }}", "line 1: No filter named 'shout'."),
        ("{{ allert_name }}", "line 1: there is no variable 'allert_name'"),
        ("x" * (MAX_TEMPLATE_LENGTH + 1), "is longer than 10000 characters"),
        ("{% set x = 1 %}", "line 1: Assign cannot be used here"),
        ("{% macro x() %}{% endmacro %}", "line 1: Macro cannot be used here"),
        ("{% include 'x' %}", "line 1: Include cannot be used here"),
        ("{% import 'x' as x %}", "line 1: Import cannot be used here"),
        ("{% for a in [1] recursive %}{% endfor %}", "line 1: loops can be nested 2 deep at most"),
        ("{% for a in [1] %}{% for b in [1] %}{% for c in [1] %}{% endfor %}{% endfor %}{% endfor %}", "line 1: loops"),
        ("{{ 1 / 0 }}", "cannot be rendered: ZeroDivisionError"),
        ("(" * 3000, ""),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "cannot be rendered: RecursionError"),
    ],
)
def test_a_wrong_template_is_found_when_it_is_configured(template: str, problem: str) -> None:
    found = template_problem(template)
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''['__class__'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ labels|map(attribute='__class__')|list }}",
        "{{ labels.__init__.__globals__ }}",
        "{{ range.__globals__ }}",
        "{{ self }}",
        "{{ self._TemplateReference__context }}",
        "{{ _steps }}",
        "{{ alert_name|_bounded }}",
        "{{ lipsum.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '{a.__class__}'.format_map({'a': 1}) }}",
        "{{ labels.update({}) }}",
        "{{ labels.clear() }}",
        "{{ loop.__class__ }}",
    ],
)
def test_no_template_leaves_its_sandbox(template: str) -> None:
    try:
        said = render(template, content())
    except TemplateFailedError:
        return
    assert "class" not in said
    assert "object at" not in said
    assert set(said.replace("Undefined", "")) <= set("[], ")


LONG = "annotations.long"


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(10**9) %}{% endfor %}",
        "{% for i in range(1000000000) %}{% endfor %}",
        "{% for i in range(-1000000000, 0) %}x{% endfor %}",
        "{% for i in range(100) %}{% for j in range(100) %}{% endfor %}{% endfor %}",
        f"{{% for a in {LONG} %}}{{% for b in {LONG} %}}{{% endfor %}}{{% endfor %}}",
        f"{{% for a in {LONG} if false %}}{{% endfor %}}",
        "{{ range(1000000000)|list }}",
        "{{ range(1000000000)|sum }}",
        "{{ 'x' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ 'x'.center(1000000000) }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ '1'.zfill(1000000000) }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ 'x'|indent(1000000000) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ [1]|batch(1000000000)|list }}",
        f"{{{{ {LONG}|join({LONG})|join({LONG})|join({LONG}) }}}}",
        f"{{{{ {LONG}|replace('x', {LONG}) }}}}",
        "{{ 'x'" + "|replace('x', 'xxxxxxxxxx')" * 300 + " }}",
        "{{ '%'" + "|urlencode" * 900 + " }}",
        f"{{{{ {LONG}|map('replace', 'x', {LONG})|list }}}}",
        "{% for a in ["
        + f"{LONG} ~ " * 500
        + "''] %}{% for b in ["
        + "a ~ " * 500
        + "''] %}{{ b }}{% endfor %}{% endfor %}",
        "{{ " + f"{LONG} + " * 500 + "'' }}",
        "{{ (" + f"{LONG} ~ " * 500 + "'')|length }}",
        "{{ 999999999999 * 999999999999 }}",
        "{{ 99999999999999999999 + 1 }}",
        "{{ 1e308 * 10 }}",
        "{{ [[1, 2]]|sum(start=[1]) * 1000000000 }}",
    ],
)
def test_no_template_runs_away(template: str) -> None:
    began = time.perf_counter()
    with pytest.raises(TemplateFailedError) as failure:
        render(template, content())
    assert time.perf_counter() - began < 2
    assert "x" * 30 not in str(failure.value)


@pytest.mark.parametrize("template", [f"{{{{ {LONG}|replace('x', {LONG}) }}}}", f"{{{{ {LONG}|join({LONG}) }}}}"])
def test_what_would_be_too_long_is_not_even_made(template: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TemplateFailedError, match="a value in it becomes too long"):
            render(template, content())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000  # It would have 16 million characters.


def test_a_long_output_ends_where_it_must() -> None:
    said = render("{% for i in range(100) %}{{ annotations.long }}{% endfor %}", content())
    assert len(said) == MAX_OUTPUT_LENGTH
    assert said.endswith("x...")


def test_what_a_template_says_is_clean() -> None:
    told = read(Publication(event=event(labels={"alertname": "a\x00\u202eb"})))
    assert render("  {{ alert_name }}\r\n", told) == "a\ufffdb"


@pytest.mark.parametrize("name", sorted(TEMPLATED))
def test_own_words_take_the_place_of_the_formats(name: str) -> None:
    to = target(name, title="T1tle of {{ alert_name }}", description="Descr1ption: {{ status }}")
    text = json.dumps(document(claim(), to))
    assert "T1tle of HighLatency" in text
    assert "Descr1ption: firing" in text


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - TEMPLATED))
def test_formats_for_machines_have_no_templates(name: str) -> None:
    told = claim(verdict=verdict())
    assert packed(told, target(name, title="x{{", description="y")).body == packed(told, target(name)).body


@pytest.mark.parametrize("name", sorted(TEMPLATED))
@pytest.mark.parametrize("broken", ["{{ 1 / 0 }}", "{{ broken", "{{ ' ' }}"])
def test_a_template_that_fails_loses_no_alert(name: str, broken: str) -> None:
    own = packed(claim(), target(name, title=broken, description=broken))
    assert own.body == packed(claim(), target(name)).body
    assert [problem.split(":")[0] for problem in own.problems] == ([] if "' '" in broken else ["title", "description"])


PIECES = [*"{}%|~()[]'\".,:+*-/ =<>01ax\n", "{{", "}}", "{%", "%}", " for x in ", " if ", "labels", "endfor", "range"]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_any_text_is_a_template_or_has_a_problem(text: str) -> None:
    problem = template_problem(text)
    try:
        render(text, content())
    except TemplateFailedError:
        assert problem


def test_loops_end_with_their_time_however_few_their_rounds() -> None:
    heavy = "{% if annotations.long|tojson|length > 1 %}{% endif %}" * 150
    template = "{% for i in range(100) %}{% for j in range(9) %}" + heavy + "{% endfor %}{% endfor %}"
    began = time.perf_counter()
    with pytest.raises(TemplateFailedError, match="its loops take too long"):
        render(template, content())
    assert time.perf_counter() - began < 2


def test_the_documentation_names_all_that_templates_can_use() -> None:
    text = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\w+) \| (.+) \|$", text, re.MULTILINE))
    named = {kind: set(re.findall(r"`(\w+)`", rows[kind])) for kind in ("variables", "filters", "methods")}
    assert named["filters"] == FILTERS
    assert named["variables"] == VARIABLES | {"confidence", "reasoning", "recommendations"}
    assert named["methods"] == set().union(*METHODS.values()) | {"range"}


def test_the_example_of_the_documentation_is_fine() -> None:
    text = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    example = yaml.safe_load(text.split("```yaml")[1].split("```")[0])
    assert [template_problem(example[name]) for name in ("title", "description")] == ["", ""]
    assert "1. Clean." in render(example["description"], content())
