"""Topics pushed by webhook: the published verifiers of Standard Webhooks accept them, in Python and in Node."""

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from deadline import poll_until
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tenure_api import sign_up_events
from tenure_server import E2E, TenureServer
from webhook_receiver import Received, WebhookReceiver

CLIENT_TIMEOUT_S = 60.0
SENT = "tenure.message_sent"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def private_server(server: TenureServer) -> TenureServer:
    """A server that may push to this machine."""
    server.stop()
    server.allow_private_webhooks()
    server.start()
    return server


def add_endpoint(server: TenureServer, url: str) -> dict[str, str]:
    return server.ask("webhooks", "add", url, "--topic", "messages", "--type", SENT)


def sign_up(server: TenureServer, user_id: str) -> None:
    assert server.api.post_batch(sign_up_events(user_id, f"{user_id}@example.com")).status_code == 200


def wait_for(receiver: WebhookReceiver, count: int) -> list[Received]:
    return poll_until(
        f"{count} webhooks to arrive", lambda: list(receiver.received), lambda found: len(found) >= count
    )


def verify_in_node(secret: str, received: Received) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    assert node is not None
    return subprocess.run(
        [node, E2E / "clients" / "standard_webhooks.mjs"],
        input=json.dumps({"secret": secret, "headers": received.headers, "body": received.body}),
        capture_output=True,
        text=True,
        timeout=CLIENT_TIMEOUT_S,
        check=False,
    )


def test_both_published_verifiers_accept_what_is_pushed(
    private_server: TenureServer, receiver: WebhookReceiver
) -> None:
    endpoint = add_endpoint(private_server, receiver.url)
    sign_up(private_server, "verified")
    [received] = wait_for(receiver, 1)
    event = Webhook(endpoint["secret"]).verify(received.body, received.headers)
    assert event["type"] == SENT
    assert event["specversion"] == "1.0"
    assert received.headers["webhook-id"] == event["id"]
    in_node = verify_in_node(endpoint["secret"], received)
    assert in_node.stdout.strip() == SENT, in_node.stderr
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint["secret"]).verify(received.body.replace("message_sent", "message_lost"), received.headers)
    other = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
    assert verify_in_node(other, received).returncode != 0


def test_during_a_rotation_both_secrets_verify(
    private_server: TenureServer, receiver: WebhookReceiver
) -> None:
    old = add_endpoint(private_server, receiver.url)
    new = private_server.ask("webhooks", "rotate-secret", old["id"])
    assert private_server.ask("webhooks", "test", old["id"])["delivered"]
    [received] = wait_for(receiver, 1)
    for secret in (old["secret"], new["secret"]):
        assert Webhook(secret).verify(received.body, received.headers)["type"] == "tenure.test"
        assert verify_in_node(secret, received).stdout.strip() == "tenure.test"


def test_a_killed_server_goes_on_where_it_was_and_pushes_nothing_out_of_order(
    private_server: TenureServer, receiver: WebhookReceiver
) -> None:
    add_endpoint(private_server, receiver.url)
    receiver.status = 503
    sign_up(private_server, "first")
    poll_until("an attempt to be refused", lambda: receiver.refused_count, lambda count: count >= 1)
    private_server.kill()
    receiver.status = 204
    private_server.start()
    sign_up(private_server, "second")
    received = wait_for(receiver, 2)
    sequences = [json.loads(one.body)["sequence"] for one in received]
    assert sequences == sorted(set(sequences))


def test_a_receiver_inside_is_refused_unless_it_is_allowed(
    server: TenureServer, receiver: WebhookReceiver
) -> None:
    refused = server.try_ask("webhooks", "add", receiver.url, "--topic", "messages")
    assert refused.returncode != 0
    assert "private network" in refused.stderr
    # A name that leads inside is only known when it is looked up.
    url = receiver.url.replace("127.0.0.1", "localhost.")
    refused = server.try_ask("webhooks", "add", url, "--topic", "messages")
    assert refused.returncode != 0
