"""Fixtures: a mail sink, and a server with the suite's definitions applied that sends to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from smtp_sink import SmtpSink
from tenure_server import BINARY, TenureServer


def pytest_sessionstart() -> None:
    if not BINARY.exists():
        raise pytest.UsageError(f"{BINARY} does not exist: run `make build`, or set TENURE_BIN")


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as sink:
        yield sink


@pytest.fixture
def server(tmp_path: Path, sink: SmtpSink) -> Iterator[TenureServer]:
    server = TenureServer(tmp_path, sink.url)
    try:
        server.start()
        server.apply()
        yield server
    finally:
        server.close()
        # Shown by pytest only when the test failed.
        print(server.log()[-20_000:])
