"""Tokens by Authlib, as its documentation has it. Reads what to do from standard
input, as JSON, and writes what came of it to standard output."""
import json
import sys
import urllib.request

from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey
from authlib.oauth2.rfc7523 import PrivateKeyJWT

task = json.load(sys.stdin)
endpoint = task["tokenEndpoint"]


def published(alg):
    """Makes a key, publishes it, and returns the private one."""
    kinds = {"RS256": ("RSA", 2048), "ES256": ("EC", "P-256")}
    key = JsonWebKey.generate_key(*kinds[alg], options={"use": "sig"}, is_private=True)
    body = json.dumps({"keys": [key.as_dict(add_kid=True)]}).encode()
    urllib.request.urlopen(urllib.request.Request(task["publish"], data=body, method="PUT")).close()
    return key.as_pem(is_private=True)


def tokens(case):
    secret = case.get("secret") or case.get("key") or published(case["alg"])
    with OAuth2Session(case["clientId"], secret, token_endpoint_auth_method=case["method"]) as session:
        if case["method"] == "private_key_jwt":
            session.register_client_auth_method(PrivateKeyJWT(endpoint, alg=case["alg"]))
        for _ in range(2):
            yield session.fetch_token(endpoint, grant_type="client_credentials", audience=task["audience"])


results = []
for case in task["cases"]:
    result = {"name": case["name"], "tokens": []}
    try:
        result["tokens"].extend(tokens(case))
    except Exception as e:
        result["error"] = {"class": type(e).__name__, "message": str(e), "error": getattr(e, "error", "")}
    results.append(result)
json.dump(results, sys.stdout)
