"""Labels as numbers that an index can hold: one for each name with its value."""

import json
from functools import lru_cache
from hashlib import blake2b


def label_hashes(labels_json: bytes) -> str:
    """Return a JSON list of the hashes of all labels in *labels_json*; what is no label with a text has none."""
    try:
        labels = json.loads(labels_json)
    except ValueError:
        return "[]"
    if not isinstance(labels, dict):
        return "[]"
    return f"[{','.join(str(label_hash(*label)) for label in labels.items() if isinstance(label[1], str))}]"


# Most labels are the same on many alerts.
@lru_cache(maxsize=8192)
def label_hash(name: str, value: str) -> int:
    """Return the 64-bit number, signed, that stands for a label."""
    text = f"{name}\0{value}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)
