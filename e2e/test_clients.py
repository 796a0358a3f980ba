"""Unmodified client libraries against the shipped binary: what they send arrives once and starts the program once."""

import json
import os
import shutil
import subprocess

from deadline import poll_until
from segment.analytics.client import Client as SegmentPython
from smtp_sink import SmtpSink
from tenure_server import E2E, TenureServer

CLIENT_TIMEOUT_S = 120.0


def test_segment_for_python_signs_somebody_up(server: TenureServer, sink: SmtpSink) -> None:
    client = SegmentPython(server.api.write_key, host=server.api.url, sync_mode=False, max_retries=2)
    client.identify("python", {"email": "python@example.com", "first_name": "Noor"})
    client.group("python", "python-account", {"name": "Northbeam"})
    client.track("python", "signed_up", {"plan": "pro"})
    client.page("python", name="Home")
    client.flush()
    client.join()
    assert_signed_up_once(server, sink, "python")


def test_segment_for_python_signs_somebody_up_with_a_compressed_body(
    server: TenureServer, sink: SmtpSink
) -> None:
    client = SegmentPython(server.api.write_key, host=server.api.url, gzip=True)
    client.identify("zipped", {"email": "zipped@example.com", "first_name": "Noor"})
    client.group("zipped", "zipped-account", {"name": "Northbeam"})
    client.track("zipped", "signed_up", {"plan": "pro"})
    client.page("zipped", name="Home")
    client.flush()
    client.join()
    assert_signed_up_once(server, sink, "zipped")


def test_segment_for_node_signs_somebody_up(server: TenureServer, sink: SmtpSink) -> None:
    run_node_client("segment_node.mjs", server, "segment-node")
    assert_signed_up_once(server, sink, "segment-node")


def test_rudderstack_for_node_signs_somebody_up(server: TenureServer, sink: SmtpSink) -> None:
    run_node_client("rudder_node.mjs", server, "rudder-node")
    assert_signed_up_once(server, sink, "rudder-node")


def test_segment_in_a_browser_signs_somebody_up(server: TenureServer, sink: SmtpSink) -> None:
    seen = json.loads(run_node_client("segment_browser.mjs", server, "browser"))
    assert seen["failures"] == []
    settings = f"200 GET /v1/projects/{server.api.write_key}/settings"
    assert settings in seen["answers"]
    assert {"200 POST /v1/i", "200 POST /v1/g", "200 POST /v1/t", "200 POST /v1/p"} <= set(seen["answers"])
    assert_signed_up_once(server, sink, "browser")
    names = server.api.event_names(server.api.person("browser")["id"])
    assert names.count("pricing_viewed") == 1, "what happened before the sign-up belongs to the person"


def run_node_client(script: str, server: TenureServer, user_id: str) -> str:
    """Run a script of `clients/` and return what it printed."""
    environment = dict(os.environ)
    chromium = shutil.which("chromium")
    if chromium:
        environment.setdefault("CHROMIUM", chromium)
    result = subprocess.run(
        ["node", E2E / "clients" / script, server.api.url, server.api.write_key, user_id],
        cwd=E2E,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CLIENT_TIMEOUT_S,
        check=False,
    )
    assert result.returncode == 0, f"{script} failed:\n{result.stdout}\n{result.stderr}"
    return result.stdout


def assert_signed_up_once(server: TenureServer, sink: SmtpSink, user_id: str) -> None:
    """One person with each event once, one message of the program, one mail at the sink."""
    address = f"{user_id}@example.com"
    mail = sink.wait_for_mail_to(address)
    assert mail.content["Subject"] == "Welcome Noor"

    person = server.api.person(user_id)
    assert person is not None, f"{user_id} is not a person"
    assert person["account"] is not None, "the group call did not reach the person"
    assert server.api.event_names(person["id"]).count("signed_up") == 1
    poll_until(
        f"{user_id} to be listed once",
        lambda: [row["id"] for row in server.list_json("people", "list")],
        lambda ids: ids.count(person["id"]) == 1,
    )

    messages = poll_until(
        f"the message to {user_id} to be settled",
        lambda: server.api.messages_of(user_id),
        lambda rows: [row["state"] for row in rows] == ["sent"],
    )
    assert len(messages) == 1
    assert len(sink.mails_to(address)) == 1
