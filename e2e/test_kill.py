"""`kill -9` under load, at seeded moments: nothing acknowledged is lost, nobody gets a mail twice, every doubt is listed."""

import os
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from deadline import poll_until
from smtp_sink import Mail, SmtpSink
from tenure_api import Row, TenureApi, sign_up_events, sign_up_id
from tenure_server import CONNECTIONS_MAX, TenureServer

SEED = int(os.environ.get("TENURE_E2E_SEED", "7"))
BATCH_COUNT = 120
PEOPLE_PER_BATCH = 10
POSTER_COUNT = 3
KILLS_UNDER_LOAD = 4
KILL_DELAY_MAX_S = 0.2
DRAIN_TIMEOUT_S = 120.0
RETRY_INTERVAL_S = 0.02


@dataclass
class Load:
    """Posts every batch until it is acknowledged, with the same message ids each time, as the client libraries do."""

    api: TenureApi
    acknowledged_user_ids: set[str] = field(default_factory=set)
    batch_count: int = 0
    repeat_count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _gave_up: threading.Event = field(default_factory=threading.Event)

    def post(self, events: list[Row]) -> None:
        while not self._gave_up.is_set():
            if self._is_acknowledged(events):
                with self._lock:
                    self.acknowledged_user_ids.update(event["userId"] for event in events)
                    self.batch_count += 1
                return
            with self._lock:
                self.repeat_count += 1
            self._gave_up.wait(RETRY_INTERVAL_S)

    def give_up(self) -> None:
        self._gave_up.set()

    def _is_acknowledged(self, events: list[Row]) -> bool:
        try:
            response = self.api.post_batch(events)
        except requests.RequestException:
            return False
        assert response.status_code in (200, 429, 503), f"{response.status_code}: {response.text}"
        return response.status_code == 200


def address_of(user_id: str) -> str:
    return f"{user_id}@example.com"


def batches() -> list[list[Row]]:
    """Batches of sign-ups; every person appears in one of them."""
    return [
        [
            event
            for number in range(PEOPLE_PER_BATCH)
            for user_id in [f"user-{batch}-{number}"]
            for event in sign_up_events(user_id, address_of(user_id))
        ]
        for batch in range(BATCH_COUNT)
    ]


def test_killing_the_server_loses_no_event_and_repeats_no_mail(server: TenureServer, sink: SmtpSink) -> None:
    rng = random.Random(SEED)
    load = Load(server.api)
    with ThreadPoolExecutor(POSTER_COUNT) as posters:
        posted = [posters.submit(load.post, batch) for batch in batches()]
        try:
            for mark in sorted(rng.sample(range(1, BATCH_COUNT), KILLS_UNDER_LOAD)):
                kill_after_batches(server, load, mark, rng.uniform(0, KILL_DELAY_MAX_S))
            in_doubt = kill_between_final_dot_and_answer(server, sink)
            for batch in posted:
                batch.result(DRAIN_TIMEOUT_S)
        finally:
            load.give_up()

    kill_count = KILLS_UNDER_LOAD + 1
    user_ids = sorted(load.acknowledged_user_ids)
    assert len(user_ids) == BATCH_COUNT * PEOPLE_PER_BATCH
    unknown = wait_until_everybody_is_settled(server, sink, user_ids)
    print(f"seed {SEED}: {kill_count} kills, {load.repeat_count} repeated requests, {len(unknown)} unknown")

    assert_no_mail_twice(sink)
    assert_each_has_one_message(server, user_ids)
    assert len(unknown) <= kill_count * CONNECTIONS_MAX
    doubted = {server.api.person(user_of(mail))["id"] for mail in in_doubt}
    assert doubted <= {row["person"] for row in unknown}, "a mail that was never answered passes for sent"

    server.stop()
    assert_every_sign_up_is_exported_once(server, user_ids)


def kill_after_batches(server: TenureServer, load: Load, batch_count: int, delay_s: float) -> None:
    poll_until(
        f"batch {batch_count} to be acknowledged",
        lambda: load.batch_count,
        lambda count: count >= batch_count,
        timeout_s=DRAIN_TIMEOUT_S,
    )
    threading.Event().wait(delay_s)  # Not for anything to happen: it moves the kill to a random point of a batch.
    server.kill()
    server.start()


def kill_between_final_dot_and_answer(server: TenureServer, sink: SmtpSink) -> list[Mail]:
    """The hardest moment: the mail server has the mail, the sender will never know. Returns those mails."""
    sink.hold_replies()
    user_id = "user-held"
    assert server.api.post_batch(sign_up_events(user_id, address_of(user_id))).status_code == 200
    poll_until("a mail without an answer", sink.held, timeout_s=DRAIN_TIMEOUT_S)
    server.kill()
    held = sink.held()
    sink.release()
    server.start()
    return held


def user_of(mail: Mail) -> str:
    return mail.recipient.split("@", 1)[0]


def wait_until_everybody_is_settled(server: TenureServer, sink: SmtpSink, user_ids: list[str]) -> list[Row]:
    """Wait until nothing is on its way and each person's mail arrived or is in doubt; returns the messages in doubt."""

    def unsettled() -> list[str]:
        delivered = {mail.recipient for mail in sink.mails()}
        missing = [user_id for user_id in user_ids if address_of(user_id) not in delivered]
        if len(missing) > CONNECTIONS_MAX * (KILLS_UNDER_LOAD + 1):
            return missing
        under_way = server.api.messages(state="pending") + server.api.messages(state="sending")
        doubted = {row["person"] for row in server.api.messages(state="unknown")}
        silent = [user_id for user_id in missing if (server.api.person(user_id) or {}).get("id") not in doubted]
        return silent + [row["id"] for row in under_way]

    poll_until("every message to be settled", unsettled, lambda missing: not missing, timeout_s=DRAIN_TIMEOUT_S)
    return server.api.messages(state="unknown")


def assert_no_mail_twice(sink: SmtpSink) -> None:
    mails = sink.mails()
    for what, counted in [
        ("recipient", Counter(mail.recipient for mail in mails)),
        ("Message-ID", Counter(mail.message_id for mail in mails)),
    ]:
        repeated = {key: count for key, count in counted.items() if count > 1}
        assert not repeated, f"mails twice by {what}: {repeated}"


def assert_each_has_one_message(server: TenureServer, user_ids: list[str]) -> None:
    by_person = Counter(row["person"] for row in server.api.messages())
    assert set(by_person.values()) == {1}
    assert len(by_person) >= len(user_ids)


def assert_every_sign_up_is_exported_once(server: TenureServer, user_ids: list[str]) -> None:
    exported = Counter(server.exported_sign_up_ids())
    counts = {user_id: exported[sign_up_id(user_id)] for user_id in user_ids}
    lost = [user_id for user_id, count in counts.items() if count == 0]
    assert not lost, f"{len(lost)} acknowledged sign-ups are lost, for example {lost[:3]}"
    repeated = [user_id for user_id, count in counts.items() if count > 1]
    assert not repeated, f"{len(repeated)} sign-ups are stored twice, for example {repeated[:3]}"
