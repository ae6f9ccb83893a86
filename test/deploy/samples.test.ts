import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { LEVELS, Log } from '../../bus/log.ts';
import { loadConfig } from '../../sls/config.ts';

for (const role of ['master', 'minion'] as const)
  test(`the sample configuration of a ${role} reads without a word, also with every example switched on`, () => {
    const dir = mkdtempSync(join(tmpdir(), 'brine-deploy-'));
    try {
      const text = readFileSync(`deploy/config/${role}`, 'utf8');
      const on = text
        .replace(/^#(?! [A-Z])/gm, '')
        .replace(/^job_queue: embedded\n/m, '')
        .replace(/^(root_dir|id):.*\n/gm, '');
      for (const version of [text, on]) {
        const said: string[] = [];
        const log = new Log(role, (r) => void said.push(r.message), LEVELS.warning);
        writeFileSync(join(dir, role), version);
        loadConfig(role, { configDir: dir, log });
        assert.deepEqual(said, [], version);
      }
      if (role === 'master') {
        cpSync('deploy/config/reactor.conf', join(dir, 'master.d', 'reactor.conf'), { recursive: true });
        writeFileSync(join(dir, role), text);
        assert.equal(
          loadConfig(role, { configDir: dir, log: new Log('x', () => undefined) }).list('reactor').length,
          1,
        );
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

test('shell files under deploy/ and bin/ parse', () => {
  for (const f of ['deploy/completion/salt.bash', ...readdirSync('bin').map((b) => `bin/${b}`)]) {
    const shell = f.endsWith('.bash') ? 'bash' : 'sh';
    const r = spawnSync(shell, ['-n', f], { encoding: 'utf8' });
    assert.equal(r.status, 0, `${f}: ${r.stderr}`);
  }
});
