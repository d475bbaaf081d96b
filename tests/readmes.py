"""Settings tables in READMEs, made from the settings themselves. ``python -m tests.readmes`` writes them."""

import re
from pathlib import Path

from alerthistory_classifier.settings import ClassifierSettings
from alerthistory_client.settings import ClientSettings
from alerthistory_common.settings import CommonSettings, Settings
from alerthistory_gateway.settings import GatewaySettings
from alerthistory_history.settings import HistorySettings
from alerthistory_ingest.settings import IngestSettings
from alerthistory_publisher.settings import PublisherSettings

ROOT = Path(__file__).parent.parent
TABLES: dict[str, type[Settings]] = {
    "README.md": CommonSettings,
    "gateway/README.md": GatewaySettings,
    "libs/client/README.md": ClientSettings,
    "services/classifier/README.md": ClassifierSettings,
    "services/history/README.md": HistorySettings,
    "services/ingest/README.md": IngestSettings,
    "services/publisher/README.md": PublisherSettings,
}
_PLACE = re.compile(r"(<!-- settings -->\n).*?(<!-- /settings -->)", re.DOTALL)


def table(cls: type[Settings]) -> str:
    """Return the Markdown table of a section's settings, in the order of their declaration."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in cls.model_fields.items():
        default = "" if field.default in ("", None) else f"`{field.default}`"
        lines.append(f"| `{cls.variable(name)}` | {default} | {field.description} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def with_table(text: str, cls: type[Settings]) -> str:
    """Return *text* with the table in its place; raise ValueError when there is no place for it."""
    if not _PLACE.search(text):
        raise ValueError("no <!-- settings --> place")
    return _PLACE.sub(lambda place: place.group(1) + table(cls) + place.group(2), text)


def main() -> None:
    """Write the tables into all READMEs."""
    for name, cls in TABLES.items():
        path = ROOT / name
        path.write_text(with_table(path.read_text(), cls))


if __name__ == "__main__":
    main()
