// Starts the test server's binary, which stands in for HANA.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const workspace = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

// Builds the binary, unless HANA_TESTSERVER names one.
export function binary() {
  if (process.env.HANA_TESTSERVER) {
    return process.env.HANA_TESTSERVER;
  }
  const args = ['build', '--quiet', '-p', 'hana-testserver', '--bin', 'hana-testserver'];
  execFileSync('cargo', args, { cwd: workspace, stdio: 'inherit' });
  return join(process.env.CARGO_TARGET_DIR ?? join(workspace, 'target'), 'debug', 'hana-testserver');
}

// A running server: its port, and `tell(line)` for its standard input.
export async function start(path, args = []) {
  const server = spawn(path, ['--listen', '127.0.0.1:0', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: server.stdout });
  const kill = () => server.kill();
  process.once('exit', kill);
  const [greeting] = await once(lines, 'line');
  const port = Number(/:(\d+)$/.exec(greeting)?.[1]);
  return {
    port,
    async tell(line) {
      const answer = once(lines, 'line');
      server.stdin.write(`${line}\n`);
      return (await answer)[0];
    },
    async stop() {
      const ended = once(server, 'exit');
      server.stdin.end('stop\n');
      await ended;
      process.off('exit', kill);
    },
  };
}
