'use strict';

const { setImmediate: nextTurn } = require('node:timers/promises');

const Sentry = require('@sentry/node');

const ENTRIES = 5000;

/**
 * Compare our books with the bank's, for at most a given time.
 *
 * @param {import('../payment').Payment} payment
 * @param {number} budgetMs
 * @returns {Promise<number>} the entries that the bank does not have
 */
async function reconcile(payment, budgetMs) {
  payment.reach('reconciliation');
  Sentry.addBreadcrumb({
    category: 'reconciliation',
    message: `comparing ${ENTRIES} entries, at most ${budgetMs} ms`,
  });
  return Sentry.startSpan({ op: 'payment.reconcile', name: 'reconcile the books' }, () =>
    compareBooks(payment, budgetMs),
  );
}

/**
 * @param {import('../payment').Payment} payment
 * @param {number} budgetMs
 */
async function compareBooks(payment, budgetMs) {
  // In a new turn of the loop: for a deep stack the report keeps only the outer frames.
  await nextTurn();
  const ours = Array.from({ length: ENTRIES }, (_, i) => `${payment.id}-${i}`);
  return countUnmatched(ours, ours.toReversed(), performance.now() + budgetMs);
}

/**
 * @param {string[]} ours
 * @param {string[]} theirs
 * @param {number} deadline on the clock of `performance`
 */
function countUnmatched(ours, theirs, deadline) {
  let unmatched = 0;
  // Entry by entry, starting over after the last one.
  for (let i = 0; performance.now() < deadline; i = (i + 1) % ours.length) {
    unmatched += theirs.includes(ours[i]) ? 0 : 1;
  }
  return unmatched;
}

module.exports = { reconcile };
