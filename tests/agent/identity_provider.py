"""A small identity provider (OpenID Connect), real enough to sign in with: HTTP, RSA keys, PKCE."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import RSAKey

CLIENT, SECRET, AUDIENCE = "assay-web", "its secret & more", "assay-api"


def encoded(content: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class IdentityProvider:
    """Knows one person, and signs whatever a test has it sign."""

    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "ada@bank.example"})
    """What it says of whoever signs in next."""
    nonce: str | None = None
    """A nonce to answer with instead of the one that was asked for."""
    fetched: int = 0
    """How often its keys were asked for."""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1"}))
    published: list[RSAKey] = field(default_factory=list)
    url: str = ""
    issuer: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self.published = [self.key]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rotate(self, kid: str = "k2") -> None:
        """Sign with a new key from now on."""
        self.key = RSAKey.generate_key(2048, {"kid": kid})
        self.published = [self.key]

    def token(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token for the API; a claim that is None is left out."""
        now = int(time.time())
        said = {"iss": self.issuer, "aud": AUDIENCE, "iat": now, "exp": now + 300}
        said |= self.claims | claims
        kept = {name: value for name, value in said.items() if value is not None}
        return self.signed(header or {"alg": "RS256", "typ": "JWT", "kid": self.key.kid}, kept)

    def signed(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Whatever it is, with a signature that is right."""
        text = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = self.key.private_key.sign(text.encode(), PKCS1v15(), SHA256())
        return f"{text}.{encoded(signature)}"

    def authorize(self, url: str) -> str:
        """The person says yes; where the browser is sent with the code."""
        asked = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
        assert (CLIENT, "code", "S256") == (
            asked["client_id"],
            asked["response_type"],
            asked["code_challenge_method"],
        )
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?code={code}&state={asked['state']}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint."""
        known = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        asked = self.codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = encoded(verifier)
        if asked is None or challenge != asked["code_challenge"] or CLIENT not in known:
            return 400, {"error": "invalid_grant"}
        if form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        token = self.token(aud=CLIENT, nonce=self.nonce or asked["nonce"])
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": token}

    def get(self, path: str) -> dict[str, Any] | None:
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "more": "that nobody asked for",
            }
        if path == "/keys":
            self.fetched += 1
            secret = {"kty": "oct", "k": "c2VjcmV0LXNoYXJlZC1rZXk", "kid": "shared"}
            odd = [{"kty": "new", "kid": "odd"}, "no key", secret]
            return {"keys": [*odd, *(key.as_dict(private=False) for key in self.published)]}
        return None


def _handler(provider: IdentityProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = provider.get(self.path)
            self._answer(200 if found else 404, found or {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: value[0] for name, value in parse_qs(body).items()}
            self._answer(*provider.exchange(form, self.headers.get("Authorization", "")))

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler
