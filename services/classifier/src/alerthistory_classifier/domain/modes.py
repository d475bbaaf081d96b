"""The enrichment mode: what is done with alerts besides storing them."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """What is done with alerts besides storing them."""

    TRANSPARENT = "transparent"
    ENRICHED = "enriched"
    TRANSPARENT_WITH_RECOMMENDATIONS = "transparent_with_recommendations"


class ModeSource(StrEnum):
    """Where the mode comes from. ``MEMORY`` is the classifier's own store; the older service called it so."""

    REDIS = "redis"
    MEMORY = "memory"
    ENVIRONMENT = "environment"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSetting:
    """The mode in force, and where it comes from."""

    mode: Mode
    source: ModeSource


def configured(mode: Mode | None) -> ModeSetting:
    """Return the setting in force while nobody has set a mode: the environment's, or the default."""
    if mode is None:
        return ModeSetting(mode=Mode.ENRICHED, source=ModeSource.DEFAULT)
    return ModeSetting(mode=mode, source=ModeSource.ENVIRONMENT)
