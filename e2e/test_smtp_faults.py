"""A mail server that misbehaves: nothing is sent twice, nothing is lost silently, nobody else has to wait."""

from deadline import poll_until
from smtp_sink import SmtpSink
from tenure_api import sign_up_events
from tenure_server import CONNECTIONS_MAX, TenureServer


REFUSED = ("dead", "bounced")
"""A final refusal: of the message itself, or of an address that does not exist."""


def sign_up(server: TenureServer, user_id: str) -> str:
    """Sign somebody up and return the address that the welcome mail goes to."""
    address = f"{user_id}@example.com"
    assert server.api.post_batch(sign_up_events(user_id, address)).status_code == 200
    return address


def wait_for_state(server: TenureServer, user_id: str, *states: str) -> None:
    """Wait until the one message to this person is in one of these states."""
    poll_until(
        f"the message to {user_id} to be {' or '.join(states)}",
        lambda: [row["state"] for row in server.api.messages_of(user_id)],
        lambda found: len(found) == 1 and found[0] in states,
    )


def test_a_temporary_failure_is_tried_again_until_it_is_accepted(
    server: TenureServer, sink: SmtpSink
) -> None:
    address = sign_up(server, "tempfail-2-a")
    sink.wait_for_mail_to(address)
    wait_for_state(server, "tempfail-2-a", "sent")
    assert sink.attempts_for(address) == 3
    assert len(sink.mails_to(address)) == 1


def test_a_mail_server_that_is_away_is_tried_again_until_it_is_back(
    server: TenureServer, sink: SmtpSink
) -> None:
    sink.stop()
    address = sign_up(server, "patient")
    poll_until(
        "an attempt to have failed",
        lambda: [row["attempt_count"] for row in server.api.messages_of("patient")],
        lambda counts: counts != [] and counts[0] >= 1,
    )
    sink.start()
    sink.wait_for_mail_to(address)
    wait_for_state(server, "patient", "sent")
    assert len(sink.mails_to(address)) == 1


def test_silence_before_the_mail_was_transmitted_is_tried_again(
    server: TenureServer, sink: SmtpSink
) -> None:
    address = sign_up(server, "stall-1-a")
    sink.wait_for_mail_to(address)
    wait_for_state(server, "stall-1-a", "sent")
    assert sink.attempts_for(address) == 2
    assert len(sink.mails_to(address)) == 1


def test_a_rejected_recipient_is_not_tried_again_and_holds_up_nobody(
    server: TenureServer, sink: SmtpSink
) -> None:
    rejected = sign_up(server, "reject-a")
    others = [sign_up(server, f"fine-{number}") for number in range(20)]
    for address in others:
        sink.wait_for_mail_to(address)
    wait_for_state(server, "reject-a", *REFUSED)
    assert sink.attempts_for(rejected) == 1
    assert [len(sink.mails_to(address)) for address in others] == [1] * len(others)


def test_content_refused_after_the_final_dot_is_a_failure_and_not_an_unknown(
    server: TenureServer, sink: SmtpSink
) -> None:
    address = sign_up(server, "refuse-a")
    wait_for_state(server, "refuse-a", *REFUSED)
    assert sink.attempts_for(address) == 1
    assert server.api.messages(state="unknown") == []


def test_a_connection_closed_after_the_final_dot_leaves_an_unknown_that_is_not_repeated(
    server: TenureServer, sink: SmtpSink
) -> None:
    address = sign_up(server, "drop-a")
    wait_for_state(server, "drop-a", "unknown")
    listed = server.list_json("messages", "list", "--state", "unknown")
    assert [row["person"] for row in listed] == [server.api.person("drop-a")["id"]]

    # A restart is where blind repeats come from: take up all leases again, then prove that sending goes on.
    server.stop()
    server.start()
    sink.wait_for_mail_to(sign_up(server, "after-drop"))
    wait_for_state(server, "drop-a", "unknown")
    assert len(sink.mails_to(address)) == 1


def test_a_final_dot_that_is_never_answered_leaves_an_unknown(
    server: TenureServer, sink: SmtpSink
) -> None:
    address = sign_up(server, "hang-a")
    wait_for_state(server, "hang-a", "unknown")
    assert len(sink.mails_to(address)) == 1
    assert sink.attempts_for(address) == 1


def test_hanging_deliveries_below_the_limit_hold_up_nobody(
    server: TenureServer, sink: SmtpSink
) -> None:
    for number in range(CONNECTIONS_MAX - 1):
        sign_up(server, f"hang-{number}")
    poll_until(
        "all but one connection to hang",
        lambda: len([mail for mail in sink.mails() if mail.recipient.startswith("hang-")]),
        lambda count: count == CONNECTIONS_MAX - 1,
    )
    sink.wait_for_mail_to(sign_up(server, "quick"))
    for number in range(CONNECTIONS_MAX - 1):
        wait_for_state(server, f"hang-{number}", "unknown")
        assert len(sink.mails_to(f"hang-{number}@example.com")) == 1


def test_a_failed_delivery_says_why_without_naming_the_address(
    server: TenureServer, sink: SmtpSink
) -> None:
    sign_up(server, "reject-b")
    wait_for_state(server, "reject-b", *REFUSED)
    [message] = server.api.messages_of("reject-b")
    assert "550" in message["reason"]
    assert "@" not in message["reason"], "an error names no address"
    outcomes = {row["outcome"]: row["reason"] for row in server.api.decisions_about("reject-b")}
    assert "sent" in outcomes
    assert sink.mails_to("reject-b@example.com") == []
