'use strict';

const { createHash, timingSafeEqual } = require('node:crypto');

const Sentry = require('@sentry/node');
const { rateLimit } = require('express-rate-limit');

const { refusePath } = require('./answers');
const { Refused } = require('./refused');

const TOKEN_HEADER = 'X-Debug-Token';
const REMEMBERED = 10;
const RATE = /^(\d+)\/(second|minute|hour)$/;
const MILLISECONDS = { second: 1000, minute: 60_000, hour: 3_600_000 };

/**
 * Return the middleware that admits callers to debug routes.
 *
 * While no token is configured, nothing is found (404). A caller is counted (429) before the token
 * is compared (401), so guessing tokens is limited, too.
 *
 * @param {import('./settings').Settings} settings
 * @returns {import('express').RequestHandler}
 */
function makeGuard({ debugToken, debugRate }) {
  if (debugToken === undefined) return refusePath;
  const count = makeCounter(debugRate);
  const check = makeTokenCheck(debugToken);
  // One named function: each middleware becomes a span in the trace.
  return function guard(req, res, next) {
    count(req, res, (error) => (error ? next(error) : check(req, res, next)));
  };
}

/** @param {string} rate */
function makeCounter(rate) {
  return rateLimit({
    ...readRate(rate),
    keyGenerator: (req) => callerAt(req.socket.remoteAddress),
    handler: (req, res, next) => next(tooFast(rate, req.rateLimit.resetTime)),
    legacyHeaders: false,
  });
}

/**
 * Return the caller for the address of a connection: all of 127.0.0.0/8 is this machine.
 *
 * A header would be the caller's own choice.
 *
 * @param {string} address
 */
function callerAt(address) {
  return address.startsWith('127.') ? 'this machine' : address;
}

/**
 * @param {string} rate such as "100/second"
 * @throws {Error} when it is invalid
 */
function readRate(rate) {
  const [, limit, unit] = RATE.exec(rate) ?? [];
  if (limit) return { limit: Number(limit), windowMs: MILLISECONDS[unit] };
  throw new Error(`DEBUG_RATE must be like 100/second, 10/minute or 1/hour, not ${rate}.`);
}

/**
 * @param {string} rate
 * @param {Date} resetTime
 */
function tooFast(rate, resetTime) {
  const wait = Math.max(1, Math.ceil((resetTime.getTime() - Date.now()) / 1000));
  return new Refused(429, 'too-fast', `Debug routes allow ${rate}; try again in ${wait} s.`, {
    'Retry-After': String(wait),
  });
}

/** @param {string} expected */
function makeTokenCheck(expected) {
  const wrong = [];
  return (req, res, next) => {
    if (isEqual(req.get(TOKEN_HEADER) ?? '', expected)) {
      leaveBreadcrumbs(wrong.splice(0));
      return next();
    }
    wrong.push(Date.now() / 1000);
    if (wrong.length > REMEMBERED) wrong.shift();
    next(new Refused(401, 'debug-token', `Debug routes need the ${TOKEN_HEADER} header.`));
  };
}

/**
 * Add earlier refused requests to the events of this one.
 *
 * A refused request has no event for a breadcrumb, and its scope ends with the request.
 *
 * @param {number[]} times in seconds since the epoch
 */
function leaveBreadcrumbs(times) {
  for (const timestamp of times) {
    Sentry.addBreadcrumb({
      category: 'guard',
      message: 'wrong or missing debug token',
      level: 'warning',
      timestamp,
    });
  }
}

/**
 * Compare in a time that reveals nothing about either text, not even its length.
 *
 * @param {string} one
 * @param {string} other
 */
function isEqual(one, other) {
  const [left, right] = [one, other].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(left, right);
}

module.exports = { callerAt, makeGuard, readRate };
