'use strict';

const Sentry = require('@sentry/node');

/**
 * Return the ids under which Sentry keeps the request that is being served; undefined where
 * nothing is traced.
 */
function traceOfRequest() {
  const span = Sentry.getActiveSpan();
  const context = span && Sentry.getRootSpan(span).spanContext();
  return { trace_id: context?.traceId, span_id: context?.spanId };
}

module.exports = { traceOfRequest };
