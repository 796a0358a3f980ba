// Refuses a first load (the entry and all that it imports at once) over the budget.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

/** Compressed JavaScript of the first load, in bytes. */
const BYTES_MAX = 350 * 1024;
const dist = new URL('../dist/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'));

function reached(name, seen = new Set()) {
  if (!seen.has(name)) {
    seen.add(name);
    (manifest[name].imports ?? []).forEach((next) => reached(next, seen));
  }
  return seen;
}

const names = [...reached('index.html')];
const size = (name) => gzipSync(readFileSync(new URL(manifest[name].file, dist)), { level: 9 }).length;
const bytes = names.reduce((sum, name) => sum + size(name), 0);
console.log(`first load: ${Math.round(bytes / 1024)} KB of compressed JavaScript, the budget is ${BYTES_MAX / 1024} KB`);
process.exitCode = bytes > BYTES_MAX ? 1 : 0;
