'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const { authorize } = require('../authorization');
const { NO_OP, numbersOf } = require('./names');

const FAILS = 'payment-fails';
const SLOW = 'payment-slow';
const HANGS = 'payment-hangs';
const DIES = 'payment-dies';

/**
 * Apply to a request the faults that hit it. They hit charges; `no-op` hits any work.
 *
 * @param {import('./leases').Faults} faults
 * @param {'charge' | 'payout' | 'balance'} work
 * @param {{amount: number}} [order]
 */
async function strike(faults, work, order) {
  const hits = await faults.evaluate(work === 'charge' ? undefined : [NO_OP]);
  // The process's faults end with it, so it dies once each time this one is set.
  if (hits.has(DIES)) process.kill(process.pid, 'SIGKILL');
  if (hits.has(SLOW)) await sleep(numbersOf(SLOW).ms);
  if (hits.has(HANGS)) await sleep(numbersOf(HANGS).ms);
  if (hits.has(FAILS)) authorize(order);
}

module.exports = { strike };
