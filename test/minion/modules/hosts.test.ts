import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { toWire, type Wire } from '../../../bus/values.ts';
import config from '../../../minion/modules/config.ts';
import hosts from '../../../minion/modules/hosts.ts';
import { smallMinion } from './small-minion.ts';

const dir = mkdtempSync(join(tmpdir(), 'hosts-'));
after(() => rmSync(dir, { recursive: true }));
const path = join(dir, 'hosts');
const m = smallMinion({ hosts, config }, { opts: { 'hosts.file': path } });
const answer = (name: string, ...args: Wire[]): unknown => toWire(m.call(`hosts.${name}`, args));
const written = (): string => readFileSync(path, 'utf8');

test('addresses are listed with their names and comments, which several lines may give', () => {
  writeFileSync(path, '# top\n\n127.0.0.1 localhost  lo # this one\n10.0.0.1\tdb\n10.0.0.1 db2\n');
  assert.deepEqual(answer('list_hosts'), {
    'comment-0': ['# top'],
    '127.0.0.1': { aliases: ['localhost', 'lo'], comment: 'this one' },
    '10.0.0.1': { aliases: ['db', 'db2'] },
  });
  assert.equal(answer('get_ip', 'db2'), '10.0.0.1');
  assert.equal(answer('get_ip', 'none'), '');
  assert.deepEqual(answer('get_alias', '10.0.0.1'), ['db', 'db2']);
  assert.deepEqual(answer('get_alias', '10.9.9.9'), []);
  assert.equal(answer('has_pair', '10.0.0.1', ['db', 'db2']), true);
  assert.equal(answer('has_pair', '10.0.0.1', ['db', 'x']), false);
});

test('setting a host replaces all lines of the address in place', () => {
  writeFileSync(path, '10.0.0.1 a\n10.0.0.2 b\n10.0.0.1 c');
  assert.equal(answer('set_host', '10.0.0.1', 'new', 'why'), true);
  assert.equal(written(), '10.0.0.1\t\tnew\t\t# why\n10.0.0.2 b\n');
  assert.equal(answer('set_host', '10.0.0.2', ''), true);
  assert.equal(answer('set_host', '10.0.0.3', 'x'), true);
  assert.equal(written(), '10.0.0.1\t\tnew\t\t# why\n10.0.0.3\t\tx\n');
});

test('names come and go and comments are set', () => {
  rmSync(path);
  assert.equal(answer('add_host', '10.0.0.1', 'a'), true);
  assert.equal(answer('add_host', '10.0.0.1', 'b'), true);
  assert.equal(answer('add_host', '10.0.0.1', 'b'), true);
  assert.equal(written(), '10.0.0.1\t\ta b\n');
  assert.equal(answer('set_comment', '10.0.0.1', 'note'), true);
  assert.equal(answer('set_comment', '10.0.0.9', 'note'), false);
  assert.equal(written(), '10.0.0.1\t\ta b\t\t# note\n');
  assert.equal(answer('rm_host', '10.0.0.1', 'a'), true);
  assert.equal(written(), '10.0.0.1\t\tb # note\n');
  assert.equal(answer('rm_host', '10.0.0.1', 'b'), true);
  assert.equal(written(), '');
});
