'use strict';

const Sentry = require('@sentry/node');

const FLUSH_MS = 10_000;

/**
 * Flush Sentry's queue, and end the process.
 *
 * @param {number} exitCode
 */
async function end(exitCode) {
  await Sentry.close(FLUSH_MS);
  process.exit(exitCode);
}

/**
 * Print the uncaught error, and end as Node would, but only after it is reported.
 *
 * @param {Error} error
 */
function die(error) {
  // Not the error itself: Sentry attaches local variables to it, which would be printed, too.
  console.error(error.stack ?? error);
  end(1);
}

module.exports = { die, end };
