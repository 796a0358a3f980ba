"""Unmodified OAuth clients, and the command line's own login, against the shipped binary."""

import html
import json
import os
import re
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from tenure_api import REQUEST_TIMEOUT_S
from tenure_server import BINARY, E2E, TenureServer

PASSWORD = "correct-horse-battery"
REDIRECT_URI = "http://127.0.0.1:7007/callback"
CLIENT_TIMEOUT_S = 60.0
SESSION_COOKIE = "tenure_session"


@pytest.fixture(autouse=True)
def allow_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of the test speaks plain HTTP on this machine."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


def test_authlib_acts_by_itself(server: TenureServer) -> None:
    client = create_client(server, "profiles:read messages:read")
    for method in ["client_secret_basic", "client_secret_post"]:
        session = OAuth2Session(
            client["id"], client["secret"], scope="profiles:read", token_endpoint_auth_method=method
        )
        token = session.fetch_token(f"{server.api.url}/oauth/token", grant_type="client_credentials")
        assert token["scope"] == "profiles:read"
        assert session.get(f"{server.api.url}/api/v1/people").status_code == 200
        assert session.get(f"{server.api.url}/api/v1/messages").status_code == 403


def test_authlib_acts_for_a_user(server: TenureServer) -> None:
    client = create_client(server, "profiles:read", REDIRECT_URI)
    browser = sign_in(server)
    session = OAuth2Session(
        client["id"],
        client["secret"],
        scope="profiles:read",
        redirect_uri=REDIRECT_URI,
        code_challenge_method="S256",
        token_endpoint=f"{server.api.url}/oauth/token",
    )
    verifier = "v" * 64
    asked, _ = session.create_authorization_url(f"{server.api.url}/oauth/authorize", code_verifier=verifier)
    answered = allow(browser, server, asked)
    token = session.fetch_token(
        f"{server.api.url}/oauth/token", authorization_response=answered, code_verifier=verifier
    )
    assert session.get(f"{server.api.url}/api/v1/people").status_code == 200
    first = token["refresh_token"]
    renewed = session.refresh_token(f"{server.api.url}/oauth/token", first)
    assert renewed["refresh_token"] != first
    assert session.get(f"{server.api.url}/api/v1/people").status_code == 200
    with pytest.raises(OAuthError):
        session.refresh_token(f"{server.api.url}/oauth/token", first)
    after = requests.get(
        f"{server.api.url}/api/v1/people",
        headers={"Authorization": f"Bearer {renewed['access_token']}"},
        timeout=REQUEST_TIMEOUT_S,
    )
    assert after.status_code == 401, "a refresh token that comes twice ends all that came from it"


def test_openid_client_for_node_gets_and_uses_tokens(server: TenureServer) -> None:
    client = create_client(server, "profiles:read", REDIRECT_URI)
    browser = sign_in(server)
    cookie = f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}"
    arguments = [server.api.url, client["id"], client["secret"], REDIRECT_URI, cookie]
    result = subprocess.run(
        ["node", E2E / "clients" / "openid_client.mjs", *arguments],
        cwd=E2E,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CLIENT_TIMEOUT_S,
        check=False,
    )
    assert result.returncode == 0, f"openid-client failed:\n{result.stdout}\n{result.stderr}"
    assert json.loads(result.stdout) == {
        "aloneScope": "profiles:read",
        "alone": 200,
        "user": 200,
        "renewed": 200,
        "active": True,
        "activeAfterRevocation": False,
        "revoked": 401,
    }


def test_the_command_line_logs_in_and_out(server: TenureServer, tmp_path: Path) -> None:
    browser = sign_in(server)
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "TENURE_URL": server.api.url}
    login = subprocess.Popen(
        [BINARY, "login"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert login.stdout is not None
    watchdog = threading.Timer(CLIENT_TIMEOUT_S, login.kill)
    watchdog.start()
    asked = next(line.strip() for line in login.stdout if "/oauth/authorize?" in line)
    requests.get(allow(browser, server, asked), timeout=REQUEST_TIMEOUT_S)
    assert login.wait(CLIENT_TIMEOUT_S) == 0
    watchdog.cancel()
    kept = tmp_path / "tenure" / "logins.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert tenure(environment, "people", "list", "--json").returncode == 0
    # As if ten minutes had gone by: the next command renews the token.
    logins = json.loads(kept.read_text())
    refresh_token = logins[server.api.url]["refresh_token"]
    logins[server.api.url]["expires_at_ms"] = 0
    kept.write_text(json.dumps(logins))
    assert tenure(environment, "people", "list", "--json").returncode == 0
    assert json.loads(kept.read_text())[server.api.url]["refresh_token"] != refresh_token
    verified = tenure(environment, "audit", "verify", "--json")
    assert json.loads(verified.stdout)["broken_at"] is None
    assert tenure(environment, "logout").returncode == 0
    refused = tenure(environment, "people", "list", "--json")
    assert refused.returncode == 1 and "tenure login" in refused.stderr


def tenure(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BINARY, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CLIENT_TIMEOUT_S,
        check=False,
    )


def post(server: TenureServer, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = requests.post(
        f"{server.api.url}/api/v1/{path}",
        json=body,
        headers={"Authorization": f"Bearer {server.api.token}"},
        timeout=REQUEST_TIMEOUT_S,
    )
    assert response.status_code == 200, response.text
    return response.json()


def create_client(server: TenureServer, scopes: str, *redirect_uris: str) -> dict[str, Any]:
    return post(server, "clients", {"name": "Test", "scopes": scopes, "redirect_uris": list(redirect_uris)})


def sign_in(server: TenureServer) -> requests.Session:
    """A browser in which an owner is signed in."""
    user = {"email": "olu@example.com", "name": "Olu", "role": "owner", "password": PASSWORD}
    post(server, "users", user)
    browser = requests.Session()
    form = {"email": user["email"], "password": PASSWORD}
    response = browser.post(f"{server.api.url}/login", data=form, timeout=REQUEST_TIMEOUT_S)
    assert response.status_code == 200 and "signed in as Olu" in response.text
    return browser


def allow(browser: requests.Session, server: TenureServer, asked: str) -> str:
    """Press the button on the consent page; the address that the browser is sent to."""
    page = browser.get(asked, timeout=REQUEST_TIMEOUT_S).text
    fields = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page)
    form = {name: html.unescape(value) for name, value in fields} | {"decision": "allow"}
    response = browser.post(
        f"{server.api.url}/oauth/authorize", data=form, timeout=REQUEST_TIMEOUT_S, allow_redirects=False
    )
    assert response.status_code == 303, response.text
    location = response.headers["Location"]
    assert "code" in parse_qs(urlsplit(location).query)
    return location
