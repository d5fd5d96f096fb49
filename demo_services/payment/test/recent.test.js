'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Recent } = require('../src/recent');

test('the least recently set is forgotten', () => {
  const recent = new Recent(2);
  recent.set('a', 1);
  recent.set('b', 2);
  recent.set('a', 3);
  recent.set('c', 4);
  assert.deepEqual(['a', 'b', 'c'].map((key) => recent.get(key)), [3, undefined, 4]);
});
