'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { redact, redactEnvelope } = require('../src/redaction');
// The services in Python are held to the same.
const cases = require('./redaction.json');

for (const [given, expected] of cases) {
  test(`${JSON.stringify(given)} leaves no secret`, () => {
    assert.deepEqual(redact(given), expected);
    // What was looked at once may be looked at again.
    assert.deepEqual(redact(redact(given)), expected);
  });
}

test('every item of an envelope is looked at, and its headers', () => {
  const bytes = new Uint8Array([1, 2]);
  const envelope = [
    { trace: { transaction: 'GET /?token=91e0' } },
    [
      [{ type: 'event' }, { message: 'secret=91e0' }],
      [{ type: 'span' }, { items: [{ name: 'GET /?token=91e0' }] }],
      [{ type: 'attachment' }, bytes],
    ],
  ];
  redactEnvelope(envelope);
  assert.equal(JSON.stringify(envelope).includes('91e0'), false);
  assert.equal(envelope[1][2][1], bytes);
});
