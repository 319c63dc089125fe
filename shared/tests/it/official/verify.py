"""Judges signatures with Stripe's official Python library: cases in, verdicts out, as JSON lines.

`raw` is a second opinion over the body's bytes, for bodies that the library cannot read as text.
"""

import hashlib
import hmac
import json
import sys
import types

import stripe._webhook as webhook


def official(header, body, secret, now):
    webhook.time = types.SimpleNamespace(time=lambda: now)
    try:
        return webhook.WebhookSignature.verify_header(body, header, secret, 300)
    except Exception:
        return False


def over_bytes(header, body, secret):
    items = [item.partition("=") for item in (header or "").split(",")]
    t = next((value for key, _, value in items if key == "t"), "")
    signed = t.encode("latin-1") + b"." + body
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return any(key == "v1" and value == mac for key, _, value in items)


for line in sys.stdin:
    case = json.loads(line)
    header, body = case["header"], bytes.fromhex(case["body"])
    # Frameworks hand over a header's bytes as Latin-1.
    header = None if header is None else bytes.fromhex(header).decode("latin-1")
    verdict = official(header, body, case["secret"], case["now"])
    raw = over_bytes(header, body, case["secret"])
    print(json.dumps({"accepted": verdict, "raw": raw}))
