// Prints every event type that the official Node client's type definitions name, one a line.
// Usage: node event_types.mjs FOLDER-WITH-node_modules
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(process.argv[2], "node_modules", "stripe");
const types = new Set();

function walk(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) {
      if (name !== "node_modules") walk(path);
    } else if (name.endsWith(".d.ts")) {
      const text = readFileSync(path, "utf8");
      // `type: 'charge.captured';` of each event's interface; v1 and v2 events have at least one dot.
      for (const [, type] of text.matchAll(/^\s*(?:export\s+)?(?:readonly\s+)?type:\s*'([a-z0-9_]+(?:\.[a-z0-9_\[\]]+)+)';/gm)) {
        types.add(type);
      }
    }
  }
}

walk(root);
process.stdout.write([...types].sort().join("\n") + "\n");
