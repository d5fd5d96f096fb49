'use strict';

const inspector = require('node:inspector');
const { setTimeout: pause } = require('node:timers/promises');

const LOOK_EVERY_MS = 10;
const PATIENCE_MS = 20_000;

/**
 * Sentry reads local variables, and the stack of a blocked event loop, like a debugger: from
 * separate threads that are attached to this one.
 *
 * @type {Set<import('node:worker_threads').Worker>}
 */
const threads = new Set();

/** Record the threads that start from now on. */
function watchThreads() {
  process.on('worker', (thread) => threads.add(thread));
}

/**
 * Wait until Sentry's debuggers are attached: earlier errors have no local variables.
 *
 * Then close the port that was opened for them. They do not need it, and other users of this
 * machine could run code in this process through it.
 *
 * @param {{waitUntilWorkerReady: () => Promise<void>}} anr
 */
async function debuggersAttached(anr) {
  const deadline = performance.now() + PATIENCE_MS;
  while (!isSeen(thrown()) && performance.now() < deadline) await pause(LOOK_EVERY_MS);
  await anr.waitUntilWorkerReady();
  inspector.close();
}

function thrown() {
  try {
    throw new Error('Does a debugger see this?');
  } catch (error) {
    return error;
  }
}

/** @param {Error} error */
function isSeen(error) {
  // The local variables are a property of the error until it is captured.
  return Object.keys(error).length > 0;
}

/** Detach Sentry's debuggers permanently. */
async function detachDebuggers() {
  await Promise.all(Array.from(threads, (thread) => thread.terminate()));
}

module.exports = { debuggersAttached, detachDebuggers, watchThreads };
