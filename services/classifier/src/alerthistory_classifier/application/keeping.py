"""Keep verdicts many to a commit: a burst of alerts is one of verdicts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain

from alerthistory_classifier.application.patience import Patience
from alerthistory_classifier.ports import Classification, VerdictStore
from alerthistory_common.batching import Batcher, batcher

STORE_LIMIT_S = 0.5
_VERDICTS_IN_A_COMMIT = 500


@asynccontextmanager
async def open_keeping(
    store: VerdictStore, patience: Patience
) -> AsyncIterator[Batcher[Sequence[Classification], None]]:
    """Yield what keeps verdicts; leaving waits for those in hand, no longer than *patience* has."""

    async def keep(judged: Sequence[Sequence[Classification]]) -> Sequence[None]:
        await patience.wait(store.keep(list(chain.from_iterable(judged))), limit_s=STORE_LIMIT_S)
        return [None] * len(judged)

    async with batcher(keep, max_items=_VERDICTS_IN_A_COMMIT, max_in_flight=1, weigh=len) as keeping:
        yield keeping
