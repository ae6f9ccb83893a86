import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, inNetwork, parseAddress, parseNetwork } from '../../sls/ip-address.ts';

const spelled = (text: string): string | undefined => {
  const a = parseAddress(text);
  return a && formatAddress(a);
};

test('addresses are read as strictly as Python reads them and written the short way', () => {
  assert.equal(spelled('fd00:5:0::10'), 'fd00:5::10');
  assert.equal(spelled('1:0:0:2:0:0:0:3'), '1:0:0:2::3');
  assert.equal(spelled('fe80::1%eth0'), 'fe80::1%eth0');
  assert.equal(spelled('::ffff:1.2.3.4'), '::ffff:102:304');
  for (const bad of ['1.2.3', '01.2.3.4', '1.2.3.256', '1::2::3', ':1', '1:2:3:4:5:6:7:8::'])
    assert.equal(spelled(bad), undefined, bad);
});

test('a network with host bits set or a ragged mask is refused', () => {
  assert.equal(parseNetwork('10.1.2.0/255.255.255.0')?.prefix, 24);
  assert.equal(parseNetwork('10.1.2.0/0.0.0.255')?.prefix, 24);
  for (const bad of ['10.1.2.3/24', '10.0.0.0/255.0.255.0', '10.0.0.0/33', '10.0.0.0/', '::1/64'])
    assert.equal(parseNetwork(bad), undefined, bad);
  assert.ok(inNetwork(parseAddress('10.1.2.200')!, parseNetwork('10.1.2.128/25')!));
  assert.ok(!inNetwork(parseAddress('::1')!, parseNetwork('0.0.0.0/0')!));
});
