"""What every request passes before anything reads it: host, origin, token, size; and what every answer carries."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sam_pet.app.faults import log_fault
from sam_pet.app.problems import AppError, TooLargeError
from sam_pet.app.settings import LOOPBACK
from sam_pet.app.tokens import ReaderTokens

# JSON and pictures of strokes are small; only these take more.
BODY_BYTES = 32 << 20
_LARGE = re.compile(r"/api/uploads/[^/]+/files/\d+|/nninteractive/(set_image|add_\w+)")
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' data: blob:; "
    "font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class _RefusedError(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Guard:
    """Lets through what a reader's own browser or program asks.

    Args:
        app: what is guarded.
        tokens: of the readers; the reader's name is put into the request's state.
        hosts: names beside the loopback ones that the server goes by.
        upload_bytes: the largest body where large ones are taken.
    """

    def __init__(self, app: ASGIApp, tokens: ReaderTokens, hosts: Sequence[str], upload_bytes: int) -> None:
        self._app = app
        self._tokens = tokens
        self._hosts = {*LOOPBACK, *(host.lower() for host in hosts)}
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        begun = replaced = False

        async def guarded(message: Message) -> None:
            nonlocal begun, replaced
            if replaced:
                return
            if message["type"] == "http.response.start":
                begun = True
                if scope["state"].get("too_large"):
                    # What had begun to read the body may take its end for a fault of the sender.
                    replaced = True
                    await _answer(send, 413, _too_large(scope))
                    return
                own = {name for name, _ in message["headers"]}
                extra = {"cache-control": "no-store", **HEADERS}
                message["headers"] += [(k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in own]
            await send(message)

        scope.setdefault("state", {})
        try:
            headers = _headers(scope)
            self._check_site(scope, headers)
            token = _query_token(scope)
            if token is not None and scope["path"] == "/":
                await self._enter(token, headers, guarded)
                return
            scope["state"]["reader"] = self._reader(headers)
            await self._app(scope, self._bounded(scope, headers, receive), guarded)
        except _RefusedError as refused:
            await _answer(guarded, refused.status, str(refused))
        except AppError as error:
            if begun:
                raise
            await _answer(guarded, error.status, error.sentence)
        except Exception as error:
            if not begun:
                await _answer(guarded, 500, log_fault(error))

    def _check_site(self, scope: Scope, headers: dict[str, str]) -> None:
        host = headers.get("host", "").lower()
        name = re.sub(r":\d+$", "", host)
        if name not in self._hosts:
            raise _RefusedError(403, "this host name is not the server's; start it with --allow-host if it is")
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            raise _RefusedError(403, "a page of another site may not call this server")
        visit = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not visit:
            raise _RefusedError(403, "a page of another site may not call this server")

    def _reader(self, headers: dict[str, str]) -> str:
        kind, _, token = headers.get("authorization", "").partition(" ")
        reader = self._tokens.reader(token.strip() if kind.lower() == "bearer" else _cookie(headers))
        if reader is None:
            raise _RefusedError(401, "no valid token; open the address that sam-pet serve has printed")
        return reader

    async def _enter(self, token: str, headers: dict[str, str], send: Send) -> None:
        if self._tokens.reader(token) is None:
            raise _RefusedError(401, "no valid token; open the address that sam-pet serve has printed")
        secure = "; Secure" if headers.get("x-forwarded-proto") == "https" else ""
        cookie = f"{cookie_name(headers.get('host', ''))}={token}; Path=/; HttpOnly; SameSite=Strict{secure}"
        answer = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": answer})
        await send({"type": "http.response.body", "body": b""})

    def _bounded(self, scope: Scope, headers: dict[str, str], receive: Receive) -> Receive:
        most = scope["state"]["most"] = self._upload_bytes if _LARGE.fullmatch(scope["path"]) else BODY_BYTES
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            raise _RefusedError(413, _too_large(scope))
        got = 0

        async def bounded() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                scope["state"]["too_large"] = True
                raise TooLargeError(_too_large(scope))
            return message

        return bounded


def _too_large(scope: Scope) -> str:
    return f"the body is larger than the {scope['state']['most'] >> 20} MB that are taken here"


def _headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in headers and key in ("host", "origin", "authorization", "content-length"):
            raise _RefusedError(400, f"the header {key} is there twice")
        headers[key] = value.decode("latin-1")
    return headers


def _query_token(scope: Scope) -> str | None:
    values = parse_qs(scope["query_string"].decode("latin-1")).get("token")
    return values[0] if values else None


def cookie_name(host: str) -> str:
    """The cookie of a server: browsers do not tell the ports of one host apart."""
    return f"sam_pet_{host.rpartition(':')[2]}" if re.search(r":\d+$", host) else "sam_pet"


def _cookie(headers: dict[str, str]) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(cookie_name(headers.get("host", "")))
    except CookieError:
        return None
    return None if found is None else found.value


async def _answer(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence, "detail": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
