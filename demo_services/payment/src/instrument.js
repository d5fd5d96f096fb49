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
 * Report to the DSN in SENTRY_DSN; without one, report nothing.
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
    // Its thread ends after the last one. The default is one.
    maxAnrEvents: 1_000_000,
  });
  const client = Sentry.init({
    release,
    environment,
    serverName: name,
    tracesSampleRate: 1,
    // The profiler runs while a span is open.
    profileLifecycle: 'trace',
    profileSessionSampleRate: 1,
    includeLocalVariables: true,
    // By default logs and metrics wait five seconds: too long for someone who is watching.
    _flushInterval: LOGS_WAIT_MS,
    // By default the SDK collects addresses, cookies and response bodies.
    dataCollection: {
      userInfo: false,
      cookies: false,
      httpBodies: ['incomingRequest'],
      // Even without addresses, spans have these headers. Secrets are always filtered.
      httpHeaders: { deny: ['forwarded', '-ip'] },
    },
    integrations: (defaults) => [
      // It drops an event that equals the previous one: ten presses would be one event.
      ...defaults.filter((integration) => integration.name !== 'Dedupe'),
      Sentry.httpIntegration({ ignoreIncomingRequests: (path) => path === '/health' }),
      Sentry.onUncaughtExceptionIntegration({ onFatalError: die }),
      // Over 50 a second, including caught ones, turn it off for ten: a class reaches that.
      Sentry.localVariablesIntegration({ maxExceptionsPerSecond: 10_000 }),
      nodeProfilingIntegration(),
      anr,
    ],
  });
  if (learner) {
    // Spans have attributes instead of tags.
    Sentry.getGlobalScope().setTag('learner', learner).setAttribute('learner', learner);
  }
  // Not beforeSend, which does not receive spans.
  client.on('beforeEnvelope', redactEnvelope);
  // The default is half a second after a request: too long for someone who is watching.
  client.on('afterSegmentSpanEnd', (span) => {
    setImmediate(() => client.emit('flushTraceSpans', span.spanContext().traceId));
  });
  return client.getDsn() ? debuggersAttached(anr) : Promise.resolve();
}

module.exports = { instrument };
