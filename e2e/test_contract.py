"""What scripts of others rely on: exit codes, durable answers, repeated message ids, and mail that can be left."""

from pathlib import Path

import requests

from deadline import poll_until
from smtp_sink import SmtpSink
from tenure_api import sign_up_events
from tenure_server import DEFINITIONS, TenureServer

BROKEN_PROGRAM = """\
program: broken
audience: person
enter: { event: signed_up }
steps:
  - send: email
    template: there-is-no-such-template
"""


def test_a_repeated_message_id_counts_once_also_after_a_restart(
    server: TenureServer, sink: SmtpSink
) -> None:
    events = sign_up_events("repeat", "repeat@example.com")
    assert server.api.post_batch(events).status_code == 200
    assert server.api.post_batch(events, compress=True).status_code == 200
    sink.wait_for_mail_to("repeat@example.com")

    server.stop()
    server.start()
    assert server.api.post_batch(events).status_code == 200
    later = sign_up_events("later", "later@example.com")
    assert server.api.post_batch(later).status_code == 200
    sink.wait_for_mail_to("later@example.com")

    person = server.api.person("repeat")
    assert server.api.event_names(person["id"]).count("signed_up") == 1
    assert len(sink.mails_to("repeat@example.com")) == 1


def test_definitions_with_an_error_are_refused_and_change_nothing(
    server: TenureServer, sink: SmtpSink, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "workspace.yaml").write_text((DEFINITIONS / "workspace.yaml").read_text() + "---\n" + BROKEN_PROGRAM)
    result = server.try_apply(folder)
    assert result.returncode != 0
    assert "there-is-no-such-template" in result.stderr
    assert result.stdout == ""

    assert server.api.post_batch(sign_up_events("after", "after@example.com")).status_code == 200
    sink.wait_for_mail_to("after@example.com")


def test_the_good_events_of_a_mixed_batch_are_kept(server: TenureServer, sink: SmtpSink) -> None:
    events = sign_up_events("mixed", "mixed@example.com")
    events.insert(1, {"type": "track", "messageId": "mixed-bad", "userId": "mixed"})
    response = server.api.post_batch(events)
    assert response.status_code == 200
    assert "event" in response.text, "the report names the missing field"
    sink.wait_for_mail_to("mixed@example.com")


def test_a_wrong_key_and_a_wrong_token_are_refused(server: TenureServer) -> None:
    batch = {"batch": sign_up_events("stranger", "stranger@example.com")}
    answer = requests.post(f"{server.api.url}/v1/batch", json=batch, auth=("wrong", ""), timeout=10)
    assert answer.status_code == 401
    headers = {"Authorization": "Bearer wrong"}
    assert requests.get(f"{server.api.url}/api/v1/people", headers=headers, timeout=10).status_code == 401
    assert server.api.person("stranger") is None


def test_one_click_unsubscribe_ends_the_topic(server: TenureServer, sink: SmtpSink) -> None:
    assert server.api.post_batch(sign_up_events("leaver", "leaver@example.com")).status_code == 200
    mail = sink.wait_for_mail_to("leaver@example.com")
    assert mail.content["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail.content["List-Unsubscribe"].split("<http", 1)[1].split(">", 1)[0]
    path = "/" + f"http{link}".split("://", 1)[1].split("/", 1)[1]

    body = {"List-Unsubscribe": "One-Click"}
    assert requests.post(f"{server.api.url}{path}", data=body, timeout=10).status_code == 200
    person = server.api.person("leaver")
    poll_until(
        "the unsubscribe to be on the timeline",
        lambda: server.api.event_names(person["id"]),
        lambda names: any("unsubscribed" in name for name in names),
    )
