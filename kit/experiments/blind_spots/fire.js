'use strict';

/*
 * Runs pieces of code one after another and reports when each is done: `node fire.js JOBS`. The
 * counterpart of fire.py, which documents JOBS and the output.
 */

const fs = require('node:fs');
const Sentry = require('@sentry/node');

Sentry.init();

const FLUSH_MS = 20_000;

async function main(jobs) {
  for (const { path, release } of JSON.parse(fs.readFileSync(jobs, 'utf8'))) {
    Sentry.getClient().getOptions().release = release;
    const status = await Sentry.withIsolationScope(() => fire(require(path)));
    // Errors of callbacks and rejected promises reach the process after this turn of the loop.
    await new Promise((resolve) => setImmediate(resolve));
    await sendAll(release);
    fs.writeSync(1, `${JSON.stringify({ release, status })}\n`);
  }
  process.exit(0);
}

async function fire({ run, app }) {
  // Its rejection is not caught: it represents a whole program.
  await new Promise((resolve) => run().finally(resolve));
  return app.router.stack.length ? ask(app) : null;
}

async function ask(app) {
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { status } = await fetch(`http://127.0.0.1:${server.address().port}/`);
  server.close();
  return status;
}

/** Flush, and then send a report that nothing is left. */
async function sendAll(release) {
  await Sentry.flush(FLUSH_MS);
  const report = [{ type: 'client_report' }, { discarded_events: [], release }];
  await Sentry.getClient().getTransport().send([{}, [report]]);
}

main(process.argv[2]);
