'use strict';

const Sentry = require('@sentry/node');

const FLUSH_MS = 10_000;

/**
 * Send to Sentry what is queued, and end the process.
 *
 * @param {number} exitCode
 */
async function end(exitCode) {
  await Sentry.close(FLUSH_MS);
  process.exit(exitCode);
}

/**
 * Name the error that nobody caught, and end as Node would, but not before it is reported.
 *
 * @param {Error} error
 */
function die(error) {
  // Not the error itself: Sentry hangs local variables on it, which would be printed too.
  console.error(error.stack ?? error);
  end(1);
}

module.exports = { die, end };
