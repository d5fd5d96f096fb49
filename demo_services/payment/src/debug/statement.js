'use strict';

const { setImmediate: nextTurn } = require('node:timers/promises');

const Sentry = require('@sentry/node');

const { detachDebuggers } = require('../debugger');

const PAGE_LINES = 2 ** 17;

/**
 * Print the statement of a player's account.
 *
 * @param {import('../payment').Payment} payment
 * @returns {Promise<number>} its number of pages
 */
async function printStatement(payment) {
  payment.reach('statement');
  Sentry.addBreadcrumb({ category: 'statement', message: `statement of ${payment.player}` });
  // With an attached debugger V8 raises the limit fourfold, to leave room for inspection. Without
  // one, the limit is the one that the process started with.
  await detachDebuggers();
  return Sentry.startSpan({ op: 'payment.statement', name: 'print a statement' }, async () => {
    const pages = [];
    let page = await readPage(0);
    while (page.next !== null) {
      pages.push(page);
      // Page by page, until there is no next one.
      page = await readPage(0);
    }
    return pages.length;
  });
}

/** @param {number} number */
async function readPage(number) {
  // Like a database: other requests are served meanwhile.
  await nextTurn();
  return { amounts: new Array(PAGE_LINES).fill(0.5), next: number < 1 ? number + 1 : null };
}

module.exports = { printStatement };
