"""The shipped binary, driven as an operator drives it: commands, environment, signals."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import requests

from deadline import poll_until
from tenure_api import TenureApi

E2E = Path(__file__).parent
DEFINITIONS = E2E / "definitions"
BINARY = Path(os.environ.get("TENURE_BIN", E2E.parent / "target" / "release" / "tenure"))

COMMAND_TIMEOUT_S = 60.0
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0

CONNECTIONS_MAX = 8
"""SMTP connections, and so messages in flight, that the server may have at once."""

SETTINGS = {
    "TENURE_SMTP_CONNECTIONS_MAX": str(CONNECTIONS_MAX),
    "TENURE_SMTP_COMMAND_TIMEOUT_MS": "2000",
    "TENURE_SMTP_FINAL_DOT_TIMEOUT_MS": "2000",
    "TENURE_SEND_RETRY_DELAY_MS": "100",
}
"""Short delays, so that a retry or a time-out is seen within a test."""


class TenureServer:
    """A data folder with its workspace, and the process that serves it."""

    def __init__(self, folder: Path, smtp_url: str) -> None:
        self.data = folder / "data"
        self._log_path = folder / "server.log"
        self._environment = {**_clean_environment(), **SETTINGS, "TENURE_SMTP_URL": smtp_url}
        self._process: subprocess.Popen[bytes] | None = None
        port = _free_port()
        self._listen = f"127.0.0.1:{port}"
        credentials = self.run_json("init", "--data", str(self.data), "--json")
        self.workspace_id: str = credentials["workspace_id"]
        self.api = TenureApi(f"http://{self._listen}", credentials["write_key"], credentials["api_token"])

    def start(self) -> None:
        """Start `tenure serve` and wait until it is ready."""
        assert self._process is None, "the server is running already"
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [BINARY, "serve", "--data", self.data, "--listen", self._listen],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        poll_until("the server to be ready", self._is_ready, timeout_s=START_TIMEOUT_S)

    def kill(self) -> None:
        """`kill -9`: nothing is flushed, nothing is said."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(STOP_TIMEOUT_S)
        self._process = None

    def stop(self) -> None:
        """Stop gracefully, and demand that the server says it went well."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(STOP_TIMEOUT_S)
        self._process = None
        assert status == 0, f"the server stopped with {status}:\n{self.log()}"

    def close(self) -> None:
        """End the process whatever state a failed test left it in."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None

    def log(self) -> str:
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def apply(self, path: Path = DEFINITIONS) -> None:
        result = self.try_apply(path)
        assert result.returncode == 0, f"tenure apply failed:\n{result.stderr}\n{self.log()}"

    def try_apply(self, path: Path) -> subprocess.CompletedProcess[str]:
        return self._run("apply", *self._remote(), str(path))

    def list_json(self, *command: str) -> list[dict[str, Any]]:
        """The rows of a listing command on the running server, for example `list_json("people", "list")`."""
        return self.run_json(*command, *self._remote(), "--json")["data"]

    def allow_private_webhooks(self) -> None:
        """From the next start on, webhooks may go to this machine."""
        self._environment["TENURE_WEBHOOK_PRIVATE"] = "on"

    def ask(self, *command: str) -> dict[str, Any]:
        """The answer of a command on the running server."""
        return self.run_json(*command, *self._remote(), "--json")

    def try_ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self._run(*command, *self._remote())

    def exported_sign_up_ids(self) -> list[str]:
        """The `sign_up_id` of every event in the export of the data folder that has one."""
        result = self._run("export", "--data", str(self.data), "--format", "jsonl")
        assert result.returncode == 0, f"tenure export failed:\n{result.stderr}"
        rows = [json.loads(line) for line in result.stdout.splitlines() if line]
        properties = [row.get("properties", {}) for row in rows]
        return [found["sign_up_id"] for found in properties if "sign_up_id" in found]

    def run_json(self, *command: str) -> dict[str, Any]:
        result = self._run(*command)
        assert result.returncode == 0, f"tenure {command[0]} failed:\n{result.stderr}"
        return json.loads(result.stdout)

    def _remote(self) -> list[str]:
        return ["--url", self.api.url, "--token", self.api.token]

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BINARY, *command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def _is_ready(self) -> bool:
        status = self._process.poll() if self._process else None
        assert status is None, f"the server ended with {status}:\n{self.log()}"
        try:
            return requests.get(f"{self.api.url}/readyz", timeout=1).status_code == 200
        except requests.RequestException:
            return False


def _clean_environment() -> dict[str, str]:
    """The caller's environment without settings of Tenure that would change what is tested."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")}


def _free_port() -> int:
    """A port that is free now. The server keeps it over restarts, so it cannot be asked for port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
