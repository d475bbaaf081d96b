"""What Slack allows in a message: https://docs.slack.dev/reference/block-kit/blocks."""

import json
from collections.abc import Iterator
from typing import Any

MAX_BLOCKS = 50
MAX_CHARACTERS = 13_000
"""Of all blocks together; not documented, but known as msg_blocks_too_long (slackapi/bolt-js#2509)."""
_TYPES = ("actions", "context", "divider", "header", "image", "markdown", "rich_text", "section")


def problem_of(message: dict[str, Any]) -> str:
    """Return Slack's word for what is wrong with *message*; empty when nothing is."""
    blocks = list(_blocks(message))
    if not blocks:
        has_words = bool(message.get("text") or message.get("attachments"))
        return "" if has_words else "no_text"
    if len(message.get("blocks") or ()) > MAX_BLOCKS or any(_is_wrong(block) for block in blocks):
        return "invalid_blocks"
    if sum(map(len, _texts(blocks))) > MAX_CHARACTERS:
        return "msg_too_long"
    return ""


def _blocks(message: dict[str, Any]) -> Iterator[Any]:
    yield from message.get("blocks") or ()
    for attachment in message.get("attachments") or ():
        yield from attachment.get("blocks") or ()


def _is_wrong(block: Any) -> bool:
    if not isinstance(block, dict) or block.get("type") not in _TYPES or len(str(block.get("block_id", ""))) > 255:
        return True
    match block["type"]:
        case "header":
            return not _is_text(block.get("text"), 150, kinds=("plain_text",))
        case "section":
            return _is_wrong_section(block)
        case "context":
            return not 0 < len(block.get("elements") or ()) <= 10
        case "actions":
            elements = block.get("elements") or ()
            return not 0 < len(elements) <= 25 or any(_is_wrong_element(each) for each in elements)
        case "image":
            return not block.get("alt_text") or len(block["alt_text"]) > 2000 or len(block.get("image_url", "")) > 3000
        case "markdown":
            return not 0 < len(block.get("text") or "") <= 12_000
    return False


def _is_wrong_section(block: dict[str, Any]) -> bool:
    fields = block.get("fields")
    if fields is None:
        return not _is_text(block.get("text"), 3000)
    if "text" in block and not _is_text(block["text"], 3000):
        return True
    return not 0 < len(fields) <= 10 or not all(_is_text(each, 2000) for each in fields)


def _is_wrong_element(element: Any) -> bool:
    if not isinstance(element, dict) or len(str(element.get("action_id", ""))) > 255:
        return True
    if element.get("type") != "button":
        return False
    is_button = _is_text(element.get("text"), 75, kinds=("plain_text",))
    return not is_button or len(element.get("url", "")) > 3000 or len(element.get("value", "")) > 2000


def _is_text(found: Any, length: int, *, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> bool:
    if not isinstance(found, dict) or found.get("type") not in kinds:
        return False
    return isinstance(found.get("text"), str) and 0 < len(found["text"]) <= length


def _texts(found: Any) -> Iterator[str]:
    """Yield every text that is shown."""
    if isinstance(found, list):
        for each in found:
            yield from _texts(each)
    elif isinstance(found, dict):
        for name, each in found.items():
            if name in ("text", "title", "alt_text") and isinstance(each, str):
                yield each
            else:
                yield from _texts(each)


def words(message: dict[str, Any]) -> str:
    """Return all that *message* holds, as one text in which to look for something."""
    return json.dumps(message, ensure_ascii=False)
