# pip install "pyjwt[crypto]"          python verify.py <token>…
import base64, json, os, sys, threading, time, urllib.error, urllib.parse, urllib.request

import jwt

try:
    ISSUER, AUDIENCE = os.environ["TENANTRY_ISSUER"], os.environ["TENANTRY_AUDIENCE"]
except KeyError as missing:
    sys.exit(f"set {missing.args[0]}: TENANTRY_ISSUER is the PUBLIC_URL of the service, TENANTRY_AUDIENCE its TOKEN_AUDIENCE")


class Refused(Exception):
    """401: the token is not good."""


class Unavailable(Exception):
    """503 with Retry-After: the token cannot be judged now. Never answer 401: clients throw their tokens away."""


class Revocations:
    """Which tokens to refuse before they expire. Polls the feed every second."""

    REMEMBER, STALE = 1000, 30  # seconds; an access token lives for 900

    def __init__(self, client_id, client_secret):
        basic = ":".join(urllib.parse.quote_plus(part) for part in (client_id, client_secret))
        self.basic = "Basic " + base64.b64encode(basic.encode()).decode()
        self.token, self.token_ends = "", 0.0
        self.cursor, self.known, self.keys, self.not_before, self.spoke = None, {}, set(), 0, float("-inf")

    def start(self):
        self.poll()
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def _run(self):
        while True:
            time.sleep(1)
            try:
                self.poll()
            except Exception as error:  # judge() refuses every token if this lasts too long
                print("revocations:", error, file=sys.stderr)

    def poll(self):
        asked = time.monotonic()
        query = "" if self.cursor is None else "?" + urllib.parse.urlencode({"after": self.cursor})
        request = urllib.request.Request(
            ISSUER + "/api/v1/revocations" + query,
            headers={"Authorization": "Bearer " + self._own_token(), "Accept": "application/json"},
        )
        try:
            data = self._json(request)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 401:
                self.token_ends = 0.0
            if error.code == 422:
                self.cursor = None  # a cursor of another installation: begin again
            raise
        for event in data["events"]:
            self._take(event)
        self.cursor, self.spoke = data["cursor"], asked
        old = asked - self.REMEMBER
        self.known = {key: entry for key, entry in self.known.items() if entry[1] >= old}

    def _take(self, event):
        kind, now = event["kind"], time.monotonic()
        if kind == "session":
            self.known["session", event["sid"]] = (True, now)
        elif kind in ("user", "membership", "client"):
            # With `org`, the event is about the membership there, and not about all tokens of the user.
            key = "epoch", event["client_id" if kind == "client" else "sub"], event.get("org")
            self.known[key] = (max(event["epoch"], self.known.get(key, (0, 0))[0]), now)
        elif kind == "role":
            key = "role", event["org"], event["role"]
            self.known[key] = (max(event["epoch"], self.known.get(key, (0, 0))[0]), now)
        elif kind == "organization":
            key, change = ("organization", event["org"]), (event["at"], event["state"] == "suspended")
            self.known[key] = (max(change, self.known.get(key, (change, 0))[0]), now)  # the later change counts
        elif kind == "key":
            self.keys.add(event["kid"])  # never forgotten: somebody who has a leaked key can sign new tokens
        elif kind == "everything":
            self.not_before = max(self.not_before, event["not_before"])

    def judge(self, claims, kid):
        if time.monotonic() - self.spoke > self.STALE:
            raise Unavailable("revocations_stale")
        if kid in self.keys:
            raise Refused("invalid_token")
        known = self.known
        if claims["iat"] < self.not_before or ("session", claims.get("sid")) in known:
            raise Refused("session_revoked")
        if claims["epoch"] < known.get(("epoch", claims["sub"], None), (0, 0))[0]:
            raise Refused("token_stale")
        if claims.get("mep", claims["epoch"]) < known.get(("epoch", claims["sub"], claims.get("org")), (0, 0))[0]:
            raise Refused("token_stale")
        for role in claims.get("roles", []) if "rep" in claims else []:
            if claims["rep"] < known.get(("role", claims["org"], role), (0, 0))[0]:
                raise Refused("token_stale")
        if known.get(("organization", claims.get("org")), ((0, False), 0))[0][1]:
            raise Refused("organization_suspended")

    def _own_token(self):
        if time.monotonic() > self.token_ends - 60:
            request = urllib.request.Request(
                ISSUER + "/oauth/token",
                data=b"grant_type=client_credentials",
                headers={"Authorization": self.basic, "Content-Type": "application/x-www-form-urlencoded"},
            )
            answer = self._json(request)
            self.token, self.token_ends = answer["access_token"], time.monotonic() + answer["expires_in"]
        return self.token

    @staticmethod
    def _json(request):
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)


class Verifier:
    def __init__(self, revocations=None):
        # Keeps the keys for 5 minutes, as the service allows. For unknown keys it fetches at most every 30 s.
        self.keys = jwt.PyJWKClient(ISSUER + "/.well-known/jwks.json", lifespan=300, timeout=5, cooldown_duration=30)
        self.revocations = revocations

    def verify(self, token):
        """Returns the claims of an access token. Raises Refused or Unavailable."""
        try:
            header = jwt.get_unverified_header(token)
            # PyJWT does not check typ: a refresh token must not pass. No other header may name another key or rule.
            if header.get("typ") != "at+jwt" or not isinstance(header.get("kid"), str) or set(header) - {"alg", "typ", "kid"}:
                raise Refused("invalid_token")
            key = self._key(header["kid"])
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=5,
                options={"require": ["iss", "aud", "sub", "iat", "exp", "jti", "epoch"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Refused("token_expired") from error
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Refused("invalid_token") from error
        if self.revocations:
            self.revocations.judge(claims, header["kid"])
        return claims

    def _key(self, kid):
        try:
            return self.keys.get_signing_key(kid)
        except Exception as error:
            is_unknown = type(error) is jwt.PyJWKClientError  # the key set has no such key
            raise (Refused("invalid_token") if is_unknown else Unavailable("keys_unavailable")) from error


def holds(claims, wanted):
    """Whether the token grants `resource:action`. With permissions_ref, ask POST /api/v1/authz/check instead."""
    resource, action = wanted.split(":")
    return bool({wanted, resource + ":*", "*:" + action, "*:*"} & set(claims.get("permissions", ())))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python verify.py <token>…")
    client_id = os.environ.get("TENANTRY_CLIENT_ID")
    try:
        feed = Revocations(client_id, os.environ.get("TENANTRY_CLIENT_SECRET", "")).start() if client_id else None
    except Exception as error:
        sys.exit(f"cannot follow the revocations of {ISSUER}: {error}")
    verifier = Verifier(feed)
    for token in sys.argv[1:]:
        try:
            claims = verifier.verify(token)
            print("ok", claims["sub"], "deals:write" if holds(claims, "deals:write") else "-")
        except (Refused, Unavailable) as error:
            print("refused", error)
