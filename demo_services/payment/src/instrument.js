'use strict';

const Sentry = require('@sentry/node');

const { name } = require('../package.json');
const { die } = require('./end');

const BLOCK_MS = 700;

/**
 * Report to the DSN in SENTRY_DSN; to nobody without one.
 *
 * @param {import('./settings').Settings} settings
 */
function instrument({ release, environment }) {
  const client = Sentry.init({
    release,
    environment,
    serverName: name,
    tracesSampleRate: 1,
    includeLocalVariables: true,
    // What is collected unless one objects: addresses, cookies, bodies of answers.
    dataCollection: { userInfo: false, cookies: false, httpBodies: ['incomingRequest'] },
    integrations: (defaults) => [
      // It drops an event that equals the one before: ten presses would be one event.
      ...defaults.filter((integration) => integration.name !== 'Dedupe'),
      Sentry.httpIntegration({ ignoreIncomingRequests: (path) => path === '/health' }),
      Sentry.onUncaughtExceptionIntegration({ onFatalError: die }),
      Sentry.anrIntegration({
        anrThreshold: BLOCK_MS,
        captureStackTrace: true,
        maxAnrEvents: 1_000_000,
      }),
    ],
  });
  // Half a second after a request is the default: too long for someone who watches.
  client.on('afterSegmentSpanEnd', (span) => {
    setImmediate(() => client.emit('flushTraceSpans', span.spanContext().traceId));
  });
}

module.exports = { instrument };
