"""Keeping verdicts of the past, such as those of an older service."""

from collections.abc import Sequence

from alerthistory_classifier.ports import Classification, VerdictStore


class Importing:
    """Stores what was judged elsewhere."""

    def __init__(self, store: VerdictStore) -> None:
        self._store = store

    async def import_all(self, classifications: Sequence[Classification]) -> list[bool]:
        """Return of each whether it was stored, durably; an alert with the same verdict or a later one keeps it.

        Of several about one alert the latest counts; of those given at the same moment the last.
        """
        latest: dict[str, int] = {}
        for index, each in enumerate(classifications):
            known = latest.get(each.fingerprint)
            if known is None or classifications[known].created_at <= each.created_at:
                latest[each.fingerprint] = index
        stored = await self._store.keep_newer([classifications[index] for index in latest.values()])
        return [
            latest[each.fingerprint] == index and each.fingerprint in stored
            for index, each in enumerate(classifications)
        ]
