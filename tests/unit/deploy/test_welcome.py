"""The first thing a person reads."""

from pathlib import Path

from alerthistory_allinone.welcome import welcome


def _text(metrics: str) -> str:
    return welcome(url="http://127.0.0.1:8080", metrics=metrics, grpc="unix:data/x.sock", data=Path("data"))


def test_it_names_the_metrics_of_the_process() -> None:
    assert "(of the process: http://127.0.0.1:7060/metrics)" in _text("127.0.0.1:7060")


def test_it_says_when_they_are_off() -> None:
    assert "(of the process: off)" in _text("")
