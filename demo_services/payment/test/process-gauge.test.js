'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setTimeout: pause } = require('node:timers/promises');

const { ProcessGauge } = require('../src/process-gauge');

const BLOCK_MS = 100;

function block() {
  for (const end = performance.now() + BLOCK_MS; performance.now() < end; );
}

test('a block of the event loop is seen by the next reading', async () => {
  const gauge = new ProcessGauge();
  await pause(50);
  block();
  await pause(50);
  const { event_loop_lag_ms, event_loop_utilization } = gauge.read();
  assert.ok(event_loop_lag_ms >= BLOCK_MS / 2, `lag ${event_loop_lag_ms}`);
  assert.ok(event_loop_utilization > 0 && event_loop_utilization <= 1);
});

test('a reading right after another has nothing to tell', () => {
  const gauge = new ProcessGauge();
  gauge.read();
  assert.equal(gauge.read().event_loop_lag_ms, 0);
});

test('the heap is below its limit, and within the process', () => {
  const { rss_mb, heap_used_mb, heap_limit_mb } = new ProcessGauge().read();
  assert.ok(heap_used_mb < heap_limit_mb);
  assert.ok(heap_used_mb < rss_mb);
});
