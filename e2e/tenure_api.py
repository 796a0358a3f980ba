"""The part of Tenure's HTTP surface that the suite uses. When an address or a field changes, change it here only."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import requests

REQUEST_TIMEOUT_S = 10.0

Row = dict[str, Any]


class TenureApi:
    """One workspace of a running server: the tracking API with its write key, `/api/v1` with its token."""

    def __init__(self, url: str, write_key: str, token: str) -> None:
        self.url = url
        self.write_key = write_key
        self.token = token

    def post_batch(self, events: list[Row], compress: bool = False) -> requests.Response:
        """`POST /v1/batch` with the write key as Basic user name, as the Segment libraries do it."""
        body = json.dumps({"batch": events}).encode()
        headers = {"Content-Type": "application/json"}
        if compress:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        address = f"{self.url}/v1/batch"
        return requests.post(
            address, data=body, headers=headers, auth=(self.write_key, ""), timeout=REQUEST_TIMEOUT_S
        )

    def person(self, user_id: str) -> Row | None:
        """The person with this user id, if there is one."""
        people = list(self._rows("people", user_id=user_id))
        assert len(people) <= 1, f"{user_id} is {len(people)} people: {people}"
        return people[0] if people else None

    def timeline(self, person_id: str) -> list[Row]:
        return list(self._rows(f"people/{person_id}/timeline"))

    def event_names(self, person_id: str) -> list[str]:
        """The names of the person's events, sorted."""
        return sorted(entry["name"] for entry in self.timeline(person_id) if entry["kind"] == "event")

    def messages(self, **filters: str) -> list[Row]:
        """Messages of the workspace, for example `messages(state="unknown")`."""
        return list(self._rows("messages", **filters))

    def messages_of(self, user_id: str) -> list[Row]:
        person = self.person(user_id)
        return self.messages(person=person["id"]) if person else []

    def decisions_about(self, user_id: str) -> list[Row]:
        person = self.person(user_id)
        return list(self._rows("decisions", subject=person["id"])) if person else []

    def _rows(self, path: str, **filters: str) -> Iterator[Row]:
        """All rows of a list, page by page: `{"data": [...], "next_cursor": "..." or null}`."""
        query = dict(filters)
        while True:
            page = self._get(path, query)
            yield from page["data"]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def _get(self, path: str, query: dict[str, str]) -> Row:
        response = requests.get(
            f"{self.url}/api/v1/{path}",
            params=query,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=REQUEST_TIMEOUT_S,
        )
        assert response.status_code == 200, f"GET {response.url}: {response.status_code} {response.text}"
        return response.json()


def sign_up_id(user_id: str) -> str:
    """The id by which a sign-up is found again in an export."""
    return f"{user_id}-signed-up"


def sign_up_events(user_id: str, email: str) -> list[Row]:
    """What an application sends when somebody signs up; message ids and `sign_up_id` follow from the user id."""
    return [
        {
            "type": "identify",
            "messageId": f"{user_id}-identify",
            "userId": user_id,
            "traits": {"email": email, "first_name": "Noor"},
        },
        {
            "type": "track",
            "messageId": sign_up_id(user_id),
            "userId": user_id,
            "event": "signed_up",
            "properties": {"plan": "pro", "sign_up_id": sign_up_id(user_id)},
        },
    ]
