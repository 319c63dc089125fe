// Judges signatures with Stripe's official Node library: cases in, verdicts out, as JSON lines.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const imported = createRequire(`${process.argv[2]}/`)("stripe");
const Stripe = imported.default ?? imported;
const { signature } = new Stripe("sk_test_unused").webhooks;

const official = ({ header, body, secret, now }) => {
  // Node hands over a header's bytes as Latin-1.
  const text = header === null ? undefined : Buffer.from(header, "hex").toString("latin1");
  try {
    return signature.verifyHeader(Buffer.from(body, "hex"), text, secret, 300, undefined, now * 1000);
  } catch {
    return false;
  }
};

const verdicts = [];
for await (const line of createInterface({ input: process.stdin })) {
  verdicts.push(JSON.stringify({ accepted: official(JSON.parse(line)) }));
}
process.stdout.write(verdicts.join("\n") + "\n");
