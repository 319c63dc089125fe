// Drives the fake Stripe with the official client; any disagreement ends it with an error.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [, , modules, path] = process.argv;
const imported = createRequire(`${modules}/`)("stripe");
const Stripe = imported.default ?? imported;
const task = JSON.parse(readFileSync(path, "utf8"));
const { hostname: host, port } = new URL(task.api_base);
const client = (key, maxNetworkRetries) =>
  new Stripe(key, { host, port, protocol: "http", maxNetworkRetries, telemetry: false });
const stripe = client(task.api_key, 0);
const expected = task.events.map((event) => event.id);
assert(expected.length > 250);

const ids = async (pages) => {
  const all = [];
  for await (const item of pages) all.push(item.id);
  return all;
};

const walked = await ids(stripe.events.list({ limit: 17 }));
assert.deepEqual([...walked].sort(), [...expected].sort(), "backwards");
assert.equal(walked.at(-1), expected[0]);

// The client reverses each page of `ending_before` by itself: oldest first.
const forwards = await ids(stripe.events.list({ limit: 17, ending_before: walked.at(-1) }));
assert.deepEqual(forwards, walked.slice(0, -1).reverse(), "forwards");

const middle = task.events[Math.floor(expected.length / 2)].created;
const types = ["charge.succeeded", "refund.created"];
const window = await ids(
  stripe.events.list({ limit: 100, created: { gte: middle, lt: middle + 2 }, types }),
);
const within = task.events.filter(
  (event) => event.created >= middle && event.created < middle + 2 && types.includes(event.type),
);
assert.deepEqual(window.sort(), within.map((event) => event.id).sort(), "window");

const retrieve = {
  payment_intent: (id) => stripe.paymentIntents.retrieve(id),
  charge: (id) => stripe.charges.retrieve(id),
  refund: (id) => stripe.refunds.retrieve(id),
  dispute: (id) => stripe.disputes.retrieve(id),
  "checkout.session": (id) => stripe.checkout.sessions.retrieve(id),
  customer: (id) => stripe.customers.retrieve(id),
};
for (const [kind, one] of Object.entries(retrieve)) {
  const object = Object.values(task.objects).find((object) => object.object === kind);
  assert.equal((await one(object.id)).id, object.id, kind);
}
await assert.rejects(stripe.paymentIntents.retrieve("pi_unknown"), (error) => {
  assert.equal(error.code, "resource_missing");
  assert.match(error.requestId, /^req_/);
  return error.statusCode === 404;
});
await assert.rejects(client("rk_test_wrong", 0).events.list(), Stripe.errors.StripeAuthenticationError);

// Retries: Stripe's own word wins; without it conflicts, server errors and broken connections are
// tried again, and a limit is not.
const fault = async (fault) => {
  const body = JSON.stringify(fault);
  const headers = { "content-type": "application/json" };
  const told = await fetch(`${task.api_base}/_control/api-faults`, { method: "POST", headers, body });
  assert(told.ok, await told.text());
};
const patient = client(task.api_key, 1);
for (const cured of [{ status: 503, should_retry: true }, { status: 409 }, { cut: "reset" }]) {
  await fault(cured);
  assert.equal((await patient.events.retrieve(expected[0])).id, expected[0], JSON.stringify(cured));
}
for (const final of [{ status: 503, should_retry: false }, { status: 429 }]) {
  await fault(final);
  await assert.rejects(patient.events.retrieve(expected[0]), (error) => error.statusCode === final.status);
}

const [first, second] = task.secrets;
for (const { body, signature, rolled } of task.deliveries) {
  assert(expected.includes(stripe.webhooks.constructEvent(body, signature, first).id));
  if (rolled) stripe.webhooks.constructEvent(body, signature, second);
  for (const bad of [`${body} `, body.replace("evt_", "evt-")]) {
    assert.throws(
      () => stripe.webhooks.constructEvent(bad, signature, first),
      Stripe.errors.StripeSignatureVerificationError,
    );
  }
}
assert(task.deliveries.some(({ rolled }) => rolled));
console.log(`${expected.length} events, ${task.deliveries.length} deliveries: all as expected`);
