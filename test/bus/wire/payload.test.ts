import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { SaltError } from '../../../bus/errors.ts';
import { PyDict, PyFloat, PySet, PyTuple, type Wire } from '../../../bus/values.ts';
import {
  decodeBus,
  decodeNetwork,
  encodeBus,
  encodeNetwork,
  MAX_DEPTH,
  MsgpackStream,
} from '../../../bus/wire/payload.ts';

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

/** Every captured network frame of the reference. */
function frames(): { file: string; frame: Buffer }[] {
  const out: { file: string; frame: Buffer }[] = [];
  for (const file of readdirSync('test/golden/captures')) {
    if (!file.endsWith('.json') || file === 'event-bus.json') continue;
    const walk = (v: unknown): void => {
      if (Array.isArray(v)) v.forEach(walk);
      else if (typeof v === 'object' && v !== null)
        for (const [k, x] of Object.entries(v))
          if (k === 'frame' && typeof x === 'string') out.push({ file, frame: Buffer.from(x, 'base64') });
          else walk(x);
    };
    walk(JSON.parse(readFileSync(`test/golden/captures/${file}`, 'utf8')));
  }
  return out;
}

test('each captured network frame, decoded and encoded again, is the same bytes', () => {
  const all = frames();
  assert.ok(all.length > 200);
  for (const { file, frame } of all)
    if (frame[0] === 0xc1) assert.throws(() => decodeNetwork(frame), { code: 'SaltDeserializationError' });
    else assert.equal(hex(encodeNetwork(decodeNetwork(frame))), hex(frame), file);
});

test('the network has neither str8 nor bin, the bus has both', () => {
  const text = 'x'.repeat(40);
  assert.equal(encodeNetwork(text)[0], 0xda);
  assert.equal(encodeBus(text)[0], 0xd9);
  const bytes = new Uint8Array([0xff, 0xfe]);
  assert.equal(hex(encodeNetwork(bytes)), 'a2fffe');
  assert.equal(hex(encodeBus(bytes)), 'c402fffe');
  assert.deepEqual(decodeNetwork(encodeBus({ a: bytes, b: text })), { __proto__: null, a: bytes, b: text });
});

test('text that lies about its length in characters still gets the right head', () => {
  for (const n of [10, 11, 31, 32, 85, 86, 127, 128, 255, 256, 21845, 21846, 65535, 65536])
    for (const c of ['a', 'é', '漢', '😀']) {
      const s = c.repeat(n);
      assert.equal(decodeNetwork(encodeNetwork(s)), s);
      assert.equal(decodeBus(encodeBus(s)), s);
      const size = Buffer.byteLength(s);
      const head = size < 32 ? 1 : size < 256 ? 2 : size < 65536 ? 3 : 5;
      assert.equal(encodeBus(s).length, head + size);
    }
});

test('bytes that are valid UTF-8 arrive as text from the network and stay bytes on the bus', () => {
  const b = Buffer.from('abc');
  assert.equal(decodeNetwork(encodeNetwork(b)), 'abc');
  assert.deepEqual(decodeBus(encodeBus(b)), new Uint8Array(b));
  const key = new PyDict([[new Uint8Array([0x80]), 1]]);
  const back = decodeNetwork(encodeNetwork(key));
  assert.ok(back instanceof PyDict);
  assert.equal(back.get(new Uint8Array([0x80])), 1);
});

test('numbers take their shortest form and keep float and int apart', () => {
  const forms: [unknown, string][] = [
    [0, '00'],
    [127, '7f'],
    [128, 'cc80'],
    [255, 'ccff'],
    [256, 'cd0100'],
    [65536, 'ce00010000'],
    [4294967296, 'cf0000000100000000'],
    [-1, 'ff'],
    [-32, 'e0'],
    [-33, 'd0df'],
    [-129, 'd1ff7f'],
    [-32769, 'd2ffff7fff'],
    [-2147483649, 'd3ffffffff7fffffff'],
    [2n ** 64n - 1n, 'cfffffffffffffffff'],
    [-(2n ** 63n), 'd38000000000000000'],
    [2n ** 64n, `b4${Buffer.from('18446744073709551616').toString('hex')}`],
    [new PyFloat(1), 'cb3ff0000000000000'],
    [1.5, 'cb3ff8000000000000'],
    [Number.NaN, 'cb7ff8000000000000'],
  ];
  for (const [v, want] of forms) assert.equal(hex(encodeNetwork(v)), want, String(v));
  assert.deepEqual(decodeNetwork(Buffer.from('cb3ff0000000000000', 'hex')), new PyFloat(1));
  assert.equal(decodeNetwork(Buffer.from('cf0020000000000000', 'hex')), 2n ** 53n);
  assert.equal(decodeNetwork(Buffer.from('cf001fffffffffffff', 'hex')), 2 ** 53 - 1);
});

test('both faces of the same data give the same bytes', () => {
  const wire = { a: [1, 2], b: { c: null } };
  const py = new PyDict<object>([
    ['a', PyTuple.from_([1, 2])],
    ['b', new PyDict([['c', null as unknown as object]])],
  ]);
  assert.equal(hex(encodeNetwork(py)), hex(encodeNetwork(wire)));
  assert.equal(hex(encodeNetwork(new PySet([1, 2]))), '920102');
  assert.equal(hex(encodeNetwork(new Set([1, 2]))), '920102');
  assert.equal(hex(encodeNetwork({ a: 1, b: undefined })), '81a16101');
});

test('a map keeps its order and its odd keys', () => {
  const d = new PyDict<Wire>([
    ['z', 1],
    ['8080', 2],
    ['443', 3],
    [7, 4],
    ['__proto__', 5],
  ]);
  const back = decodeNetwork(encodeNetwork(d));
  assert.ok(back instanceof PyDict);
  assert.deepEqual([...back.keys()], ['z', '8080', '443', 7, '__proto__']);
  assert.equal(Object.getPrototypeOf(decodeNetwork(encodeNetwork({ constructor: 1 }))), null);
});

test('dates and constants of the reference are read', () => {
  const text = '20300102T03:04:05.000600';
  const ext = Buffer.concat([Buffer.from([0xc7, text.length, 78]), Buffer.from(text)]);
  assert.equal(decodeNetwork(ext), '2030-01-02 03:04:05.000600');
  assert.equal(
    hex(encodeBus(new Date(Date.UTC(2030, 0, 2, 3, 4, 5)))),
    hex(Buffer.concat([Buffer.from([0xc7, 24, 78]), Buffer.from('20300102T03:04:05.000000')])),
  );
  const pair = encodeNetwork(['NOT_SET', { a: 1 }]);
  assert.deepEqual(decodeNetwork(Buffer.concat([Buffer.from([0xc7, pair.length, 79]), pair])), {
    __proto__: null,
    a: 1,
  });
});

test('hostile bytes are refused without using memory or the stack', () => {
  const bad = [
    '',
    'c1',
    'dd7fffffff',
    'df7fffffff',
    'dbffffffff61',
    'c6ffffffff',
    'c9ffffffff4e',
    '92',
    '8101',
    '0000',
    '818001',
    'c7024f9101',
  ];
  for (const b of bad)
    for (const decode of [decodeNetwork, decodeBus])
      assert.throws(() => decode(Buffer.from(b, 'hex')), { code: 'SaltDeserializationError' }, b);
  const deep = Buffer.alloc(100_000, 0x91);
  assert.throws(() => decodeNetwork(deep), { code: 'SaltDeserializationError' });
  const nest = Buffer.alloc(100_000, 0xc9);
  assert.throws(() => decodeNetwork(nest), { code: 'SaltDeserializationError' });
  assert.throws(() =>
    decodeNetwork(Buffer.concat([Buffer.from('dc1000', 'hex'), Buffer.alloc(4096)]), { maxValues: 4095 }),
  );
  let ring: unknown[] = [];
  ring = [ring];
  (ring[0] as unknown[]).push(ring);
  assert.throws(() => encodeNetwork(ring), { code: 'ValueError' });
  assert.throws(() => encodeNetwork(() => 1), { code: 'TypeError' });
  let ok: Wire = 1;
  for (let i = 0; i < MAX_DEPTH; i++) ok = [ok];
  decodeNetwork(encodeNetwork(ok));
  assert.throws(() => encodeNetwork([ok]), { code: 'ValueError' });
});

const leaf = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.boolean(),
  fc.constant(null),
  fc.double().map((x) => (Number.isInteger(x) || !Number.isFinite(x) ? new PyFloat(x) : x)),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
);
const tree = fc.letrec((tie) => ({
  node: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('node'), { maxLength: 20 }), tie('map')),
  map: fc
    .dictionary(
      fc.string({ maxLength: 20 }).map((k) => `k${k}`),
      tie('node'),
      { maxKeys: 20 },
    )
    .map((o) => Object.assign(Object.create(null), o)),
})).node;

test('whatever is packed is unpacked as it was, in both dialects', () => {
  fc.assert(
    fc.property(tree, (v) => {
      assert.deepEqual(decodeNetwork(encodeNetwork(v)), v);
      assert.deepEqual(decodeBus(encodeBus(v)), v);
    }),
    { numRuns: 500 },
  );
});

test('bytes of any content survive the bus', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000 }), (b) => {
      assert.deepEqual(decodeBus(encodeBus([b])), [b]);
    }),
    { numRuns: 50 },
  );
});

test('changed frames are decoded or refused, never anything else', () => {
  const all = frames().map((f) => f.frame);
  fc.assert(
    fc.property(
      fc.constantFrom(...all),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      fc.option(fc.nat()),
      (frame, changes, cut) => {
        const b = Buffer.from(frame);
        for (const [at, to] of changes) b[at % b.length] = to;
        for (const decode of [decodeNetwork, decodeBus])
          try {
            decode(cut === null ? b : b.subarray(0, cut % b.length));
          } catch (e) {
            assert.ok(e instanceof SaltError && e.code === 'SaltDeserializationError', String(e));
          }
      },
    ),
    { numRuns: 3000 },
  );
});

test('a stream gives each value whole, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(tree, { minLength: 1, maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      (values, sizes) => {
        const all = Buffer.concat(values.map((v) => encodeBus(v)));
        const s = new MsgpackStream();
        const got: Wire[] = [];
        const kept: Uint8Array[] = [];
        for (let at = 0; at < all.length; ) {
          const n = sizes.next().value ?? 1;
          kept.push(...s.push(all.subarray(at, at + n)));
          at += n;
        }
        for (const k of kept) got.push(decodeBus(k));
        assert.deepEqual(got, values);
        assert.equal(s.pending, 0);
      },
    ),
    { numRuns: 200 },
  );
});

test('a stream knows every kind of head', () => {
  const parts = [
    'c0',
    'ca00000000',
    'd40101',
    'd5010102',
    'd80100000000000000000000000000000000',
    'c702010304',
    'c800010109',
    'c90000000101ff',
    'd90161',
    'da000161',
    'db0000000161',
    'c40100',
    'c5000100',
    'c60000000100',
    'dc000101',
    'dd0000000101',
    'de00010101',
    'df000000010101',
  ];
  const s = new MsgpackStream();
  assert.deepEqual(s.push(Buffer.from(parts.join(''), 'hex')).map(hex), parts);
});

test('a stream refuses what is too long and what is no MessagePack', () => {
  assert.throws(() => new MsgpackStream(1000).push(Buffer.from('db00001000', 'hex')), {
    code: 'SaltDeserializationError',
  });
  assert.throws(() => new MsgpackStream(1000).push(Buffer.from('dd7fffffff', 'hex')), {
    code: 'SaltDeserializationError',
  });
  assert.throws(() => new MsgpackStream().push(Buffer.from('c1', 'hex')), { code: 'SaltDeserializationError' });
  const slow = new MsgpackStream(1000);
  slow.push(Buffer.from('dc0300', 'hex'));
  assert.throws(
    () => {
      for (let i = 0; i < 10; i++) slow.push(Buffer.from(`da0100${'61'.repeat(256)}`, 'hex'));
    },
    { code: 'SaltDeserializationError' },
  );
});
