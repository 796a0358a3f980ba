"""Waiting for something that becomes true soon, with a deadline and a message that says what was seen last."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

POLL_INTERVAL_S = 0.05
TIMEOUT_S = 30.0


def poll_until(
    what: str,
    ask: Callable[[], Answer],
    is_good: Callable[[Answer], bool] = bool,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """Ask until the answer is good and return it; fail with the last answer after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        answer = ask()
        if is_good(answer):
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s:g} s; last seen: {answer!r}")
        pause.wait(POLL_INTERVAL_S)
