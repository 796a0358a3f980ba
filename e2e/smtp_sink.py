"""A real SMTP server that keeps what it receives in memory and misbehaves when asked to."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import SMTP as SMTP_POLICY

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deadline import TIMEOUT_S, poll_until


@dataclass(frozen=True)
class Mail:
    """A message whose final dot arrived, whatever was answered to it."""

    recipient: str
    message_id: str
    content: Message


class SmtpSink:
    """`with SmtpSink() as sink:` listens on a free port of 127.0.0.1.

    Faults are chosen by the recipient's address:

    ``tempfail-N-*``   the first N attempts are answered 451 at RCPT, later ones are accepted
    ``stall-N-*``      the first N attempts get no answer at RCPT, later ones are accepted
    ``reject-*``       every attempt is answered 550 at RCPT
    ``refuse-*``       every attempt is answered 554 after the final dot
    ``drop-*``         the connection is closed after the final dot, without an answer
    ``hang-*``         the final dot is never answered
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mails: list[Mail] = []
        self._attempts: Counter[str] = Counter()
        self._held: list[Mail] = []
        self._hold = False
        self._released = asyncio.Event()
        self._controller: _FreePortController | None = None
        self._port = 0

    def __enter__(self) -> "SmtpSink":
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._controller = _FreePortController(self, self._port)
        self._controller.start()
        self._port = self._controller.port

    def stop(self) -> None:
        """Close all connections and refuse new ones."""
        self.release()
        self._controller.stop()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._port}"

    def mails(self) -> list[Mail]:
        with self._lock:
            return list(self._mails)

    def mails_to(self, recipient: str) -> list[Mail]:
        return [mail for mail in self.mails() if mail.recipient == recipient]

    def attempts_for(self, recipient: str) -> int:
        """How often the recipient was named in RCPT TO."""
        with self._lock:
            return self._attempts[recipient]

    def wait_for_mail_to(self, recipient: str, timeout_s: float = TIMEOUT_S) -> Mail:
        return poll_until(f"mail to {recipient}", lambda: self.mails_to(recipient), timeout_s=timeout_s)[0]

    def hold_replies(self) -> None:
        """From now on, answer no final dot until `release`."""
        with self._lock:
            self._held.clear()
            self._hold = True

    def held(self) -> list[Mail]:
        """Mails that were received and not answered since `hold_replies`."""
        with self._lock:
            return list(self._held)

    def release(self) -> None:
        """Answer everything that is waiting, also the hanging ones."""
        with self._lock:
            self._hold = False
        self._on_loop(self._release_waiting)

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        with self._lock:
            self._attempts[address] += 1
            attempt = self._attempts[address]
        if address.startswith("reject-"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("stall-") and attempt <= int(address.split("-")[1]):
            await self._released.wait()
        if address.startswith("tempfail-") and attempt <= int(address.split("-")[1]):
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        content = message_from_bytes(envelope.content, policy=SMTP_POLICY)
        mails = [Mail(address, str(content["Message-ID"]), content) for address in envelope.rcpt_tos]
        with self._lock:
            self._mails.extend(mails)
            if self._hold:
                self._held.extend(mails)
            is_held = self._hold
        first = envelope.rcpt_tos[0]
        if is_held or first.startswith("hang-"):
            await self._released.wait()
        if first.startswith("drop-"):
            server.transport.abort()
        if first.startswith("refuse-"):
            return "554 5.7.1 content refused"
        return "250 2.0.0 accepted"

    def _release_waiting(self) -> None:
        """Let go what waits now; what comes later waits for the next release."""
        waiting, self._released = self._released, asyncio.Event()
        waiting.set()

    def _on_loop(self, call: Callable[[], object]) -> object:
        """Run `call` on the event loop of the server's thread and return what it returns."""

        async def run() -> object:
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self._controller.loop).result(TIMEOUT_S)


class _FreePortController(Controller):
    """Takes port 0 for any free one and then knows which it is."""

    def __init__(self, handler: SmtpSink, port: int) -> None:
        super().__init__(handler, hostname="127.0.0.1", port=port, ready_timeout=TIMEOUT_S)

    def _trigger_server(self) -> None:
        # The base class connects to `self.port` to prove that the server answers.
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()
