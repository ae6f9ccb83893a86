import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addStamp, frameShape, joinFrame, packFrame } from '../../bus/frame.ts';
import { PyDict, type WireMap } from '../../bus/values.ts';
import { decodeBus, encodeBus } from '../../bus/wire/payload.ts';

const tag = fc.string({ maxLength: 20 }).filter((t) => !t.includes('\n'));
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.integer(),
    fc.double(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.string({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('any'), { maxLength: 20 }),
    fc.dictionary(fc.string(), tie('any'), { maxKeys: 20 }),
  ),
})).any;
const data = fc.dictionary(fc.string(), value, { maxKeys: 20 }) as fc.Arbitrary<WireMap>;

test('every frame that can be built is recognised with its tag, and none that was cut or lengthened', () => {
  fc.assert(
    fc.property(tag, data, fc.nat(), (t, d, cut) => {
      const frame = packFrame(t, d);
      assert.equal(frameShape(frame)?.tag, t);
      assert.equal(frameShape(frame.subarray(0, cut % frame.length)), undefined);
      assert.equal(frameShape(Buffer.concat([frame, Buffer.from([0])])), undefined);
    }),
    { numRuns: 200 },
  );
});

test('a stamp that is added is the last entry, changes nothing else and is found again', () => {
  fc.assert(
    fc.property(tag, data, (t, d) => {
      const { _stamp: _dropped, ...rest } = d;
      const frame = packFrame(t, rest);
      const at = frameShape(frame)?.bodyAt as number;
      const stamped = addStamp(frame, at, '2030-01-01T10:00:00.000000+00:00');
      assert.equal(frameShape(stamped)?.stamp, '2030-01-01T10:00:00.000000+00:00');
      const back = decodeBus(frame.subarray(at));
      const stamp = '2030-01-01T10:00:00.000000+00:00';
      const direct = encodeBus(
        back instanceof PyDict ? new PyDict(back).set('_stamp', stamp) : { ...(back as WireMap), _stamp: stamp },
      );
      assert.ok(direct.equals(stamped.subarray(at)));
    }),
    { numRuns: 200 },
  );
});

test('no bytes, however mutated, make the check throw', () => {
  fc.assert(
    fc.property(data, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }), (d, flips) => {
      const frame = joinFrame('t', encodeBus(d));
      for (const [at, b] of flips) frame[3 + (at % (frame.length - 3))] = b;
      frameShape(frame);
    }),
    { numRuns: 500 },
  );
  const deep = Buffer.concat([Buffer.from('t\n\n\x81\xa1k', 'latin1'), Buffer.alloc(100_000, 0x91), Buffer.from([1])]);
  assert.equal(frameShape(deep), undefined);
});
