'use strict';

const Sentry = require('@sentry/node');

/**
 * Return the ids of the current request's trace and span in Sentry; undefined where nothing is
 * traced.
 */
function traceOfRequest() {
  const span = Sentry.getActiveSpan();
  const context = span && Sentry.getRootSpan(span).spanContext();
  return { trace_id: context?.traceId, span_id: context?.spanId };
}

module.exports = { traceOfRequest };
