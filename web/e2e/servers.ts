/** Servers to test against: the shipped binary with the demo company. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const BINARY = resolve(process.env.TENURE_BIN ?? '../target/release/tenure');
/** Most time until a server answers, in milliseconds. */
const START_MS = 120_000;

/** So many entries of lag are none; how often it is looked at, in milliseconds. */
const LAG_ENTRIES_MAX = 100;
const LOOK_MS = 250;

export interface Server {
  url: string;
  email: string;
  password: string;
  token: string;
  writeKey: string;
  folder: string;
  stop: () => void;
}

/** What a process prints until it says all of `wanted`. */
function said(child: ChildProcess, wanted: RegExp[]): Promise<string[]> {
  return new Promise((done, fail) => {
    let text = '';
    const timer = setTimeout(() => fail(new Error(`the server did not start: ${text}`)), START_MS);
    const hear = (bytes: Buffer) => {
      text += bytes.toString();
      const found = wanted.map((pattern) => pattern.exec(text)?.[1]);
      if (found.every((part): part is string => part !== undefined)) {
        clearTimeout(timer);
        done(found);
      }
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.on('exit', () => fail(new Error(`the server ended: ${text}`)));
  });
}

/** The demo company, small and quick. */
export async function demo(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-console-'));
  const args = ['demo', '--dir', join(folder, 'data'), '--accounts', '12', '--speed', '300', '--listen', '127.0.0.1:0'];
  const child = spawn(BINARY, args, { env: clean() });
  const patterns = [/lives at (http:\S+)/, /sign in as\s+(\S+)/, /password\s+(\S+)/, /TENURE_TOKEN=(\S+)/, /write key\s+(\S+)/];
  const [url = '', email = '', password = '', token = '', writeKey = ''] = await said(child, patterns);
  await caughtUp(url, token);
  return { url, email, password, token, writeKey, folder, stop: stopper(child, folder) };
}

/** The engine has applied the company's history: what is published comes into force at once. */
async function caughtUp(url: string, token: string): Promise<void> {
  const until = Date.now() + START_MS;
  while (Date.now() < until) {
    const answer = await fetch(`${url}/api/v1/workspace`, { headers: { authorization: `Bearer ${token}` } });
    const { lag } = (await answer.json()) as { lag: number };
    if (lag <= LAG_ENTRIES_MAX) return;
    await new Promise((next) => setTimeout(next, LOOK_MS));
  }
  throw new Error('the engine does not catch up');
}

function clean(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TENURE_')));
}

function stopper(child: ChildProcess, folder: string): () => void {
  return () => {
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
}
