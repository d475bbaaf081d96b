"""What of a target may be shown, and what must be hidden."""

import pytest

from alerthistory_publisher.domain.targets import Target, shown_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
            "https://hooks.slack.com/services/T00000000/B00000000/***",
        ),
        ("https://hooks.slack.example/services/T/B/X", "https://hooks.slack.example/services/T/B/X"),
        ("https://user:s3cret@x.example:8443/a", "https://x.example:8443/a"),
        ("https://a@b:s3cret@x.example/", "https://x.example/"),
        ("https://x.example/a?token=s3cret&b=s3cret=&c=", "https://x.example/a?token=***&b=***&c=***"),
        ("https://x.example/a?s3cret", "https://x.example/a?***"),
        ("https://x.example/a?s3crets3crets3cret=1", "https://x.example/a?***"),
        ("https://x.example/a#s3cret", "https://x.example/a#***"),
        ("https://x.example/123456789012345/1234567890123456/", "https://x.example/123456789012345/***/"),
        ("https://x.example", "https://x.example"),
        ("https://[::1]:8080/a", "https://[::1]:8080/a"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, expected: str) -> None:
    assert shown_url(url) == expected


def test_every_credential_is_hidden_and_none_is_in_the_repr() -> None:
    target = Target(
        name="ops",
        format="pagerduty",
        url="https://us%65r-name:pass-w%6Frd@x.example/hooks/path-s3cret-path-s3cret?k=query-s3cret&lone-s3cret#frag-s3cret",
        headers=(("Authorization", "Bearer header-s3cret"),),
        routing_key="routing-s3cret",
        signing_secrets=("whsec_c2lnbmluZy1zM2NyZXQ=",),
    )
    hidden = {
        "path-s3cret-path-s3cret",
        "query-s3cret",
        "lone-s3cret",
        "frag-s3cret",
        "us%65r-name",
        "user-name",
        "pass-w%6Frd",
        "pass-word",
        "Bearer header-s3cret",
        "header-s3cret",
        "routing-s3cret",
        "whsec_c2lnbmluZy1zM2NyZXQ=",
        "c2lnbmluZy1zM2NyZXQ=",
    }
    assert hidden <= set(target.secrets)
    assert list(target.secrets) == sorted(target.secrets, key=len, reverse=True)
    assert not any(text in repr(target) for text in hidden)
    assert "x.example" not in target.secrets
    assert "hooks" not in target.secrets
