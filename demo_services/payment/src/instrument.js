'use strict';

const Sentry = require('@sentry/node');
const { nodeProfilingIntegration } = require('@sentry/profiling-node');

const { name } = require('../package.json');
const { debuggersAttached, watchThreads } = require('./debugger');
const { die } = require('./end');
const { redactEnvelope } = require('./redaction');

const BLOCK_MS = 700;
const LOGS_WAIT_MS = 100;

/**
 * Report to the DSN in SENTRY_DSN; to nobody without one.
 *
 * @param {import('./settings').Settings} settings
 * @returns {Promise<void>} when everything that happens will be reported in full
 */
function instrument({ release, environment, learner }) {
  watchThreads();
  // Deprecated. Its successor, in @sentry/node-native, has no release yet for this version of the SDK.
  const anr = Sentry.anrIntegration({
    anrThreshold: BLOCK_MS,
    captureStackTrace: true,
    // After the last one its thread ends. The default is one.
    maxAnrEvents: 1_000_000,
  });
  const client = Sentry.init({
    release,
    environment,
    serverName: name,
    tracesSampleRate: 1,
    // The profiler runs as long as a span is open.
    profileLifecycle: 'trace',
    profileSessionSampleRate: 1,
    includeLocalVariables: true,
    // Logs and metrics wait five seconds by default: too long for someone who watches.
    _flushInterval: LOGS_WAIT_MS,
    // What is collected unless one objects: addresses, cookies, the bodies of answers.
    dataCollection: {
      userInfo: false,
      cookies: false,
      httpBodies: ['incomingRequest'],
      // Without addresses, spans have these headers all the same. Secrets are always filtered.
      httpHeaders: { deny: ['forwarded', '-ip'] },
    },
    integrations: (defaults) => [
      // It drops an event that equals the one before: ten presses would be one event.
      ...defaults.filter((integration) => integration.name !== 'Dedupe'),
      Sentry.httpIntegration({ ignoreIncomingRequests: (path) => path === '/health' }),
      Sentry.onUncaughtExceptionIntegration({ onFatalError: die }),
      // Over 50 in a second, caught ones included, switch it off for ten: a class does that.
      Sentry.localVariablesIntegration({ maxExceptionsPerSecond: 10_000 }),
      nodeProfilingIntegration(),
      anr,
    ],
  });
  if (learner) {
    // Spans have attributes instead of tags.
    Sentry.getGlobalScope().setTag('learner', learner).setAttribute('learner', learner);
  }
  // Not beforeSend: that is not asked about spans.
  client.on('beforeEnvelope', redactEnvelope);
  // Half a second after a request is the default: too long for someone who watches.
  client.on('afterSegmentSpanEnd', (span) => {
    setImmediate(() => client.emit('flushTraceSpans', span.spanContext().traceId));
  });
  return client.getDsn() ? debuggersAttached(anr) : Promise.resolve();
}

module.exports = { instrument };
