'use strict';

const { setTimeout: pause } = require('node:timers/promises');
const v8 = require('node:v8');
const vm = require('node:vm');

const Sentry = require('@sentry/node');

const STEP_MB = 4;
// Long enough to see it grow.
const PAUSE_MS = 100;
const MB = 2 ** 20;
const BYTES_PER_NUMBER = 8;

/** There is no room for another receipt. */
class ArchiveFull extends Error {
  name = 'ArchiveFull';
}

/** Stores the picture of every receipt and deletes none, up to a cap. */
class ReceiptArchive {
  // Private, so that no local variable in an event expands to millions of numbers.
  #pictures = [];

  /** @param {number} capMb */
  constructor(capMb) {
    this.capMb = capMb;
  }

  get heldMb() {
    return this.#pictures.length * STEP_MB;
  }

  /** @throws {ArchiveFull} beyond the cap */
  keep() {
    const neededMb = this.heldMb + STEP_MB;
    if (neededMb > this.capMb) {
      throw new ArchiveFull(`the archive needs ${neededMb} MB, the cap is ${this.capMb} MB`);
    }
    // Fractions: V8 stores them as plain doubles, so the heap grows by exactly this much.
    this.#pictures.push(new Array((STEP_MB * MB) / BYTES_PER_NUMBER).fill(0.5));
  }

  clear() {
    this.#pictures = [];
  }
}

let turn = Promise.resolve();

/**
 * Archive receipts until memory runs out, in steps, so that other requests are served meanwhile.
 *
 * @param {import('../payment').Payment} payment
 * @param {number} capMb
 * @throws {ArchiveFull} at the cap, after freeing everything
 */
function archiveReceipts(payment, capMb) {
  payment.reach('archiving');
  // One at a time: several at once would exceed the allowed memory.
  const mine = turn.then(() => fillArchive(new ReceiptArchive(capMb)));
  turn = mine.catch(() => {});
  return mine;
}

/** @param {ReceiptArchive} archive */
async function fillArchive(archive) {
  // Memory may run out at any allocation: grouped by stack trace it would be many issues.
  Sentry.getIsolationScope().setLevel('fatal').setFingerprint(['payment', 'out-of-memory']);
  const before = memory();
  try {
    await Sentry.startSpan({ op: 'payment.archive', name: 'archive receipts' }, async () => {
      for (;;) {
        archive.keep();
        describeMemory(archive, before);
        await pause(PAUSE_MS);
      }
    });
  } finally {
    archive.clear();
    collectGarbage();
  }
}

/**
 * @param {ReceiptArchive} archive
 * @param {{heap_used_mb: number, rss_mb: number}} before
 */
function describeMemory(archive, before) {
  const now = memory();
  Sentry.setContext('memory', {
    start_heap_mb: before.heap_used_mb,
    peak_heap_mb: now.heap_used_mb,
    start_rss_mb: before.rss_mb,
    peak_rss_mb: now.rss_mb,
    held_mb: archive.heldMb,
    cap_mb: archive.capMb,
    step_mb: STEP_MB,
  });
  Sentry.addBreadcrumb({
    category: 'memory',
    message: `archive holds ${archive.heldMb} MB, the heap ${now.heap_used_mb} MB`,
    level: 'warning',
    data: { held_mb: archive.heldMb, ...now },
  });
  Sentry.metrics.gauge('payment.archive', archive.heldMb, { unit: 'mebibyte' });
}

/** Make V8 collect garbage now instead of when it needs the room, so that you see it go. */
function collectGarbage() {
  v8.setFlagsFromString('--expose-gc');
  vm.runInNewContext('gc')();
}

function memory() {
  const { heapUsed, rss } = process.memoryUsage();
  return { heap_used_mb: Math.round(heapUsed / MB), rss_mb: Math.round(rss / MB) };
}

module.exports = { archiveReceipts };
