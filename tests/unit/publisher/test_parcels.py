"""Signing after Standard Webhooks: what a receiver verifies."""

import base64
import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from alerthistory_common.alerts import Instant
from alerthistory_publisher.domain.formats.choice import FORMATS
from alerthistory_publisher.domain.parcels import pack, signature, signing_problem
from tests.events import FIRED_AT, event
from tests.unit.publisher.letters import claim, target

# The vector that the libraries of Standard Webhooks are tested with (standard-webhooks/standard-webhooks).
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
VECTOR_AT = Instant(1_614_265_330_000_000)
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def secret(byte: int, length: int = 32) -> str:
    return "whsec_" + base64.b64encode(bytes([byte]) * length).decode()


OLD, NEW, OTHER = secret(1), secret(2), secret(3)


def test_the_published_vector_is_signed_as_published() -> None:
    assert signature((VECTOR_SECRET,), VECTOR_ID, at=VECTOR_AT, body=VECTOR_BODY) == VECTOR_SIGNATURE
    both = signature((VECTOR_SECRET, OLD), VECTOR_ID, at=VECTOR_AT, body=VECTOR_BODY)
    assert both.split(" ")[0] == VECTOR_SIGNATURE
    assert len(both.split(" ")) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_a_receiver_verifies_with_the_old_secret_and_with_the_new_one(name: str) -> None:
    now = Instant.from_datetime(datetime.now(UTC))
    told = claim(event(labels={"alertname": "ü😀", "n": "\x00"}))
    parcel = pack(told, target=target(name, signing_secrets=(NEW, OLD)), now=now)
    headers = dict(parcel.headers)
    for known in (OLD, NEW):
        assert Webhook(known).verify(parcel.body, headers) == json.loads(parcel.body)
    for body, with_secret in ((parcel.body + b" ", NEW), (parcel.body, OTHER)):
        with pytest.raises(WebhookVerificationError):
            Webhook(with_secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(parcel.body, headers | {"webhook-id": "ah_another"})


def test_every_attempt_is_signed_for_its_own_time() -> None:
    to = target("webhook", signing_secrets=(NEW,))
    first = pack(claim(), target=to, now=FIRED_AT)
    second = pack(claim(attempt=2), target=to, now=Instant(FIRED_AT.micros + 1_500_000))
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert int(second.headers["webhook-timestamp"]) == int(first.headers["webhook-timestamp"]) + 1


def test_without_a_secret_nothing_is_signed() -> None:
    assert "webhook-signature" not in pack(claim(), target=target("webhook"), now=FIRED_AT).headers


def test_signing_secrets_do_not_leak() -> None:
    to = target("webhook", signing_secrets=(NEW,))
    assert NEW in to.secrets
    assert NEW not in repr(to)
    assert NEW not in repr(pack(claim(), target=to, now=FIRED_AT))


@pytest.mark.parametrize(
    ("given", "is_fine"),
    [
        (VECTOR_SECRET, True),
        (secret(1, 24), True),
        (secret(1, 64), True),
        (secret(1, 23), False),
        (secret(1, 65), False),
        (secret(1).removeprefix("whsec_"), False),
        ("whsec_", False),
        ("whsec_%%%" + secret(1)[6:], False),
        ("whsec_ü", False),
        (secret(1).rstrip("="), False),
        (" " + secret(1), False),
        ("", False),
    ],
)
def test_a_secret_that_signs_badly_is_found(given: str, is_fine: bool) -> None:
    expected = "" if is_fine else "must be whsec_ and the base64 of 24 to 64 bytes"
    assert signing_problem(given) == expected
