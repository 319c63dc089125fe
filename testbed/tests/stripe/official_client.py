"""Drives the fake Stripe with the official client; any disagreement ends it with an error."""

import json
import sys
from urllib.request import Request, urlopen

import stripe
from stripe import SignatureVerificationError, StripeClient, Webhook

with open(sys.argv[1], encoding="utf-8") as file:
    task = json.load(file)

client = StripeClient(
    task["api_key"], base_addresses={"api": task["api_base"]}, max_network_retries=0
)
expected = [event["id"] for event in task["events"]]
assert len(expected) > 250, len(expected)


def same(what, found, wanted):
    assert found == wanted, f"{what}: {len(found)} found, {len(wanted)} wanted"


backwards = client.v1.events.list({"limit": 17})
walked = [event.id for event in backwards.auto_paging_iter()]
same("backwards", sorted(walked), sorted(expected))
assert walked[-1] == expected[0] and len(set(walked)) == len(walked)

# The client reverses each page of `ending_before` by itself: oldest first.
forwards = client.v1.events.list({"limit": 17, "ending_before": walked[-1]})
same("forwards", [event.id for event in forwards.auto_paging_iter()], walked[-2::-1])

middle = task["events"][len(expected) // 2]["created"]
window = client.v1.events.list(
    {"limit": 100, "created": {"gte": middle, "lt": middle + 2}, "types": ["charge.succeeded", "refund.created"]}
)
same(
    "window",
    sorted(event.id for event in window.auto_paging_iter()),
    sorted(
        event["id"]
        for event in task["events"]
        if middle <= event["created"] < middle + 2
        and event["type"] in ("charge.succeeded", "refund.created")
    ),
)

retrieve = {
    "payment_intent": client.v1.payment_intents.retrieve,
    "charge": client.v1.charges.retrieve,
    "refund": client.v1.refunds.retrieve,
    "dispute": client.v1.disputes.retrieve,
    "checkout.session": client.v1.checkout.sessions.retrieve,
    "customer": client.v1.customers.retrieve,
}
kinds = set()
for id, object in task["objects"].items():
    if object["object"] in retrieve and object["object"] not in kinds:
        kinds.add(object["object"])
        found = retrieve[object["object"]](id)
        assert found.to_dict() == object, id
assert kinds == set(retrieve), kinds
assert client.v1.events.retrieve(expected[0]).id == expected[0]

try:
    client.v1.payment_intents.retrieve("pi_unknown")
    raise AssertionError("found what does not exist")
except stripe.InvalidRequestError as error:
    assert error.code == "resource_missing" and error.http_status == 404
    assert error.request_id.startswith("req_"), error.request_id
try:
    StripeClient("rk_test_wrong", base_addresses={"api": task["api_base"]}).v1.events.list()
    raise AssertionError("let in without the key")
except stripe.AuthenticationError:
    pass

# Retries: Stripe's own word wins; without it conflicts, server errors and broken connections are
# tried again, and a limit is not.
patient = StripeClient(
    task["api_key"], base_addresses={"api": task["api_base"]}, max_network_retries=1
)


def fault(**fault):
    request = Request(
        task["api_base"] + "/_control/api-faults",
        json.dumps(fault).encode(),
        {"content-type": "application/json"},
    )
    urlopen(request).close()


for cured in ({"status": 503, "should_retry": True}, {"status": 409}, {"cut": "reset"}):
    fault(**cured)
    assert patient.v1.events.retrieve(expected[0]).id == expected[0], cured
for final in ({"status": 503, "should_retry": False}, {"status": 429}):
    fault(**final)
    try:
        patient.v1.events.retrieve(expected[0])
        raise AssertionError(f"tried again: {final}")
    except stripe.StripeError as error:
        assert error.http_status == final["status"], error

first, second = task["secrets"]
for delivery in task["deliveries"]:
    body, signature = delivery["body"], delivery["signature"]
    event = Webhook.construct_event(body.encode(), signature, first)
    assert event.id in expected
    if delivery["rolled"]:
        assert Webhook.construct_event(body.encode(), signature, second).id == event.id
    for bad in (body + " ", body.replace("evt_", "evt-", 1)):
        try:
            Webhook.construct_event(bad.encode(), signature, first)
            raise AssertionError("verified a changed body")
        except SignatureVerificationError:
            pass
assert any(delivery["rolled"] for delivery in task["deliveries"])
print(len(expected), "events,", len(task["deliveries"]), "deliveries: all as expected")
