"""The names of the enrichment modes and of where they come from."""

from alerthistory.classifier.v1.classifier_service_pb2 import EnrichmentMode, ModeSource

_PREFIX = "ENRICHMENT_MODE_"
MODE_NUMBERS = {"transparent": 0, "enriched": 1, "transparent_with_recommendations": 2}
_SOURCES = {
    ModeSource.MODE_SOURCE_REDIS: "redis",
    ModeSource.MODE_SOURCE_MEMORY: "memory",
}


def mode_name(mode: EnrichmentMode.ValueType) -> str:
    """Return the mode's legacy name; ``enriched``, the default, for one of a later version."""
    try:
        name = EnrichmentMode.Name(mode).removeprefix(_PREFIX).lower()
    except ValueError:
        return "enriched"
    return name if name in MODE_NUMBERS else "enriched"


def mode_value(name: str) -> EnrichmentMode.ValueType:
    """Return the mode that has this legacy name."""
    return EnrichmentMode.Value(_PREFIX + name.upper())


def source_name(source: ModeSource.ValueType) -> str:
    """Return the source's legacy name; the environment counts as ``default``."""
    return _SOURCES.get(source, "default")
