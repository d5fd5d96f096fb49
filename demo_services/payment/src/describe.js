'use strict';

const Sentry = require('@sentry/node');
const { version } = require('express/package.json');

const { name } = require('../package.json');

/**
 * Return the middleware that gives every event of a request the service's own context.
 *
 * It comes first in each route's chain, where Express knows the route.
 *
 * @param {import('./process-gauge').ProcessGauge} gauge
 * @param {import('./decisions').Decisions} decisions
 * @returns {import('express').RequestHandler}
 */
function makeDescribe(gauge, decisions) {
  return (req, res, next) => {
    const route = req.route.path;
    const method = req.method === 'HEAD' ? 'get' : req.method.toLowerCase();
    // After it only the handler that refuses other methods follows.
    const { name: handler } = req.route.stack.findLast((layer) => layer.method === method);
    Sentry.setTags({ service: name, 'http.route': route });
    decisions.describe();
    Sentry.setContext('process', gauge.read());
    Sentry.setContext('express', {
      version,
      handler,
      method: req.method,
      route,
    });
    next();
  };
}

module.exports = { makeDescribe };
