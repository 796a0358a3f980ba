/** Servers to test against: the shipped binary with the demo company, or with an empty workspace. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const BINARY = resolve(process.env.TENURE_BIN ?? '../target/release/tenure');
/** Most time until a server answers, in milliseconds. */
const START_MS = 120_000;

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
  const args = ['demo', '--dir', join(folder, 'data'), '--accounts', '12', '--speed', '5000', '--listen', '127.0.0.1:0'];
  const child = spawn(BINARY, args, { env: clean() });
  const patterns = [/lives at (http:\S+)/, /sign in as\s+(\S+)/, /password\s+(\S+)/, /TENURE_TOKEN=(\S+)/, /write key\s+(\S+)/];
  const [url = '', email = '', password = '', token = '', writeKey = ''] = await said(child, patterns);
  return { url, email, password, token, writeKey, folder, stop: stopper(child, folder) };
}

/** An empty workspace with one owner. */
export async function empty(settings: Record<string, string> = {}): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-console-'));
  const data = join(folder, 'data');
  const keys = JSON.parse(execFileSync(BINARY, ['init', '--data', data, '--json'], { env: clean() }).toString()) as { write_key: string; api_token: string };
  const [email, password] = ['ana@example.com', 'correct horse battery'];
  execFileSync(BINARY, ['users', 'add', email, '--name', 'Ana', '--role', 'owner', '--data', data], { env: clean(), input: password });
  const child = spawn(BINARY, ['serve', '--data', data, '--listen', '127.0.0.1:0'], { env: { ...clean(), ...settings } });
  const [url = ''] = await said(child, [/(http:\/\/127\.0\.0\.1:\d+)/]);
  return { url, email, password, token: keys.api_token, writeKey: keys.write_key, folder, stop: stopper(child, folder) };
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
