"""Who may talk to the viewer, and what a page of it may do.

Traces hold prompts and whatever tools returned, so a web page that the user has open elsewhere
must not reach them: by a name that points here (the Host is checked), by a form or a script (the
Origin of everything but reading is checked), or from inside a trace (the policy allows no
foreign content). Bound to more than this machine, the viewer asks for a token.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Collection, Iterable
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viewer.problems import MOST_BODY_BYTES, problem, too_large

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+)(?::\d{1,5})?")
_API = "/api/"
TOKEN_HEADER = "x-flightlog-token"


def host_name(authority: str) -> str | None:
    """The name or address in a Host header, without its port; None if there is none."""
    match = _AUTHORITY.fullmatch(authority.strip())
    return match[1].lower().strip("[]").rstrip(".") if match else None


def is_loopback(host: str) -> bool:
    """Whether a name or address reaches this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_allowed(authority: str, allowed: Collection[str]) -> bool:
    """Whether a Host header may be this viewer's.

    Addresses always may: it takes a name to point somewhere else (DNS rebinding).
    """
    name = host_name(authority)
    if name is None:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in allowed or "*" in allowed:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def origin_allowed(headers: Headers) -> bool:
    """Whether a request that may change or cost something comes from a page of ours.

    Programs that are no browser send neither header.
    """
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origins = headers.getlist("origin")
    host = headers.get("host", "").lower()
    try:
        return all(urlsplit(origin).netloc.lower() == host for origin in origins)
    except ValueError:
        return False


class BodyLimit:
    """Middleware: no body of more than `MOST_BODY_BYTES` is read into memory."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > MOST_BODY_BYTES:
            await too_large()(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MOST_BODY_BYTES:
                raise HTTPException(413)  # the app's handlers make `too_large` of it
            return message

        await self.app(scope, counted, send)


class Security:
    """Middleware: refuses what is not allowed, and sets headers on every answer."""

    def __init__(
        self, app: ASGIApp, *, token: str | None = None, allowed_hosts: Iterable[str] = ()
    ) -> None:
        self.app = app
        self._hosts = frozenset(name.lower().strip("[]").rstrip(".") for name in allowed_hosts)
        self._token = token
        digest = hashlib.sha256((token or "").encode()).hexdigest()
        # Cookies are shared by all ports of a host: two viewers must not take each other's.
        self._cookie, self._cookie_value = f"flightlog_{digest[:8]}", digest[8:]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not host_allowed(hosts[0], self._hosts):
            return _host_refused(hosts)
        if scope["method"] not in _READING and not origin_allowed(headers):
            return problem(
                403,
                "origin_refused",
                f"A page of {headers.get('origin', 'another site')!r} sent this request. Only the "
                f"viewer's own pages may send more than reading requests.",
                hint="From a program, leave the Origin header out.",
            )
        if self._token is None:
            return None
        return self._without_token(scope, headers, self._token)

    def _without_token(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        page = not scope["path"].startswith(_API)
        query = QueryParams(scope["query_string"])
        if page and scope["method"] in _READING and _same(query.get("token", ""), token):
            return self._signed_in(scope, query)
        bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
        cookie = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        if (
            _same(headers.get(TOKEN_HEADER, ""), token)
            or _same(bearer, token)
            or _same(cookie, self._cookie_value)
        ):
            return None
        detail = (
            "This viewer is open to the network and needs its token. Open the address with "
            "?token=… that `flightlog view` printed."
        )
        if page:
            answer: Response = PlainTextResponse(detail + "\n", 401)
        else:
            hint = "From a program, send the token as: Authorization: Bearer …"
            answer = problem(401, "unauthorized", detail, hint=hint)
        answer.headers["cache-control"] = "no-store"
        answer.headers["www-authenticate"] = "Bearer"
        return answer

    def _signed_in(self, scope: Scope, query: QueryParams) -> Response:
        """Keeps the token in a cookie, and the address bar and history free of it."""
        rest = urlencode([(key, value) for key, value in query.multi_items() if key != "token"])
        # One slash: an address of two would name another host.
        path = "/" + scope.get("raw_path", b"/").decode("latin-1").lstrip("/\\")
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        answer.headers["cache-control"] = "no-store"
        answer.set_cookie(self._cookie, self._cookie_value, httponly=True, samesite="lax")
        return answer


def _host_refused(hosts: list[str]) -> Response:
    name = hosts[0] if hosts else ""
    return problem(
        403,
        "host_refused",
        f"The Host {name!r} is not this viewer's. Only localhost, addresses and allowed names "
        f"are answered, so that no web page reaches the traces through a name of its own.",
        hint="Open http://127.0.0.1 with the port, or start with: flightlog view --allow-host NAME",
    )


def _same(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(), wanted.encode())
