'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { isHit } = require('../src/faults/split');

const KEYS = Array.from({ length: 10_000 }, (_, number) => number.toString(16).padStart(32, '0'));

for (const share of [0.01, 0.1, 0.25, 0.5]) {
  test(`${100 * share} % of the keys are hit, within three standard deviations`, () => {
    const hits = KEYS.filter((key) => isHit(7, 'payment-fails', key, share)).length;
    const deviation = Math.sqrt(KEYS.length * share * (1 - share));
    assert.ok(Math.abs(hits - KEYS.length * share) <= 3 * deviation, `${hits} hits`);
  });
}

test('a share of 1 hits all, and one of 0 none', () => {
  assert.ok(KEYS.every((key) => isHit(7, 'payment-fails', key, 1)));
  assert.ok(!KEYS.some((key) => isHit(7, 'payment-fails', key, 0)));
});

test('a seed decides which are hit', () => {
  const hits = (seed) => KEYS.filter((key) => isHit(seed, 'payment-fails', key, 0.25));
  assert.deepEqual(hits(7), hits(7));
  assert.notDeepEqual(hits(7), hits(8));
});
