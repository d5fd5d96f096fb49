'use strict';

const { STATUS_CODES } = require('node:http');

const Sentry = require('@sentry/node');

const { Refused, notFound } = require('./refused');
const { traceOfRequest } = require('./trace');

// Errors of Express and its body parser about the caller's mistakes, in our words.
const DETAILS = {
  'entity.parse.failed': ['bad-json', 'The body must be JSON.'],
  'entity.too.large': ['body-too-large', 'The body is larger than 64 KiB.'],
};

/** @type {import('express').RequestHandler} */
function refusePath(req, res, next) {
  // Not req.path: it omits the path that a middleware is mounted at.
  next(notFound(req.originalUrl.split('?', 1)[0]));
}

/** @param {string[]} methods that the path takes */
function refuseMethod(...methods) {
  const allowed = methods.join(', ').replace('get', 'GET, HEAD').toUpperCase();
  return (req, res, next) => {
    next(
      new Refused(405, 'method-not-allowed', `${req.path} takes ${allowed} only.`, {
        Allow: allowed,
      }),
    );
  };
}

/**
 * Answer refused and failed requests in JSON.
 *
 * @type {import('express').ErrorRequestHandler}
 */
function answerError(error, req, res, next) {
  // Half an answer is sent: Express closes the connection, so that it does not look complete.
  if (res.headersSent) return next(error);
  const refused = asRefused(error);
  if (refused) {
    logRefusal(refused);
    return res.status(refused.status).set(refused.headers).json(refused.body());
  }
  // Not the error itself: Sentry attaches local variables to it, which would be printed, too.
  console.error(error.stack);
  res.status(500).json({
    error: 'internal-error',
    detail: 'The payment service failed; the error has been reported.',
    trace_id: traceOfRequest().trace_id,
  });
}

/** @param {Refused} refused */
function logRefusal({ error, status }) {
  Sentry.logger.info(Sentry.logger.fmt`refused: ${error}`, { 'http.response.status_code': status });
  Sentry.metrics.count('requests.refused', 1, { attributes: { error } });
}

/**
 * @param {Error & {status?: number, type?: string}} error
 * @returns {Refused | undefined} undefined when it is a failure
 */
function asRefused(error) {
  if (error instanceof Refused) return error;
  if (!(error.status >= 400 && error.status < 500)) return undefined;
  const [code, detail] = DETAILS[error.type] ?? [slug(error.status), error.message];
  return new Refused(error.status, code, detail);
}

/**
 * Turn a status into an error code: 415 is `unsupported-media-type`.
 *
 * @param {number} status
 */
function slug(status) {
  return (STATUS_CODES[status] ?? 'error').toLowerCase().replaceAll(' ', '-');
}

module.exports = { answerError, refuseMethod, refusePath };
