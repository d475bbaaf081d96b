"""What is answered is durable; what is broken is kept; one bad payload does not touch the others."""

from tests.integration.ingest.harness import alert, open_house, webhook


async def test_accepted_alerts_are_stored_before_the_answer() -> None:
    async with open_house() as house:
        response = await house.ingest(webhook([alert("A"), alert("B", is_firing=False)], externalURL="http://am"))
        (result,) = response.results
        assert [(a.alert_name, a.is_firing) for a in result.accepted] == [("A", True), ("B", False)]
        assert [a.decision for a in result.accepted] == ["fired", "repeated"]
        assert [(r.alert_name, r.sender) for r in house.history.reports] == [
            ("A", "alertmanager http://am"),
            ("B", "alertmanager http://am"),
        ]
