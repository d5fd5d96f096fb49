'use strict';

const Sentry = require('@sentry/node');
const express = require('express');

const { name } = require('../package.json');
const { answerError, refuseMethod, refusePath } = require('./answers');
const { debugRoutes } = require('./debug');
const { Decisions, decisionRoutes } = require('./decisions');
const { makeDescribe } = require('./describe');
const { Faults } = require('./faults/leases');
const { faultRoutes } = require('./faults/routes');
const { strike } = require('./faults/strike');
const { makeGuard } = require('./guard');
const { idempotencyKey } = require('./idempotency');
const { Ledger } = require('./ledger');
const { checkedOrder } = require('./payment');
const { ProcessGauge } = require('./process-gauge');
const { Refused } = require('./refused');

const MAX_BODY = '64kb';

/**
 * Return the payment service.
 *
 * @param {import('./settings').Settings} settings
 * @returns {import('express').Express}
 */
function makeApp(settings) {
  const app = express();
  app.disable('x-powered-by');
  const ledger = new Ledger();
  const faults = new Faults();
  const decisions = new Decisions();
  const describe = makeDescribe(new ProcessGauge(), decisions);

  const serve = (method, path, ...handlers) => {
    app.route(path)[method](describe, ...handlers).all(refuseMethod(method));
  };

  app.get('/health', makeHealth(settings));
  serve('post', '/api/v1/charge', readJson, settle(ledger, 'charge', faults));
  serve('post', '/api/v1/payout', readJson, settle(ledger, 'payout', faults));
  serve('get', '/api/v1/balance/:player', balance(ledger, faults));
  // In front of all routes below: a route itself runs too late, and never for other methods.
  app.use('/debug', makeGuard(settings));
  serveLeases(app, '/debug/faults', describe, faultRoutes(faults));
  serveLeases(app, '/debug/decisions', describe, decisionRoutes(decisions));
  for (const [path, crash] of Object.entries(debugRoutes(ledger))) serve('get', path, crash);
  app.use(refusePath);
  app.use(answerError);
  return app;
}

/** @param {import('./settings').Settings} settings */
function makeHealth({ release }) {
  // A separate gauge: each reading covers the time since the previous one.
  const gauge = new ProcessGauge();
  return function health(req, res) {
    res.json({ status: 'up', service: name, release, process: gauge.read() });
  };
}

// Whatever the content type: as in the other services.
const parseJson = express.json({ limit: MAX_BODY, type: () => true });

/** @type {import('express').RequestHandler} */
function readJson(req, res, next) {
  parseJson(req, res, (error) => {
    if (error) return next(error);
    const isObject = req.body instanceof Object && !Array.isArray(req.body);
    next(isObject ? undefined : new Refused(400, 'bad-json', 'The body must be a JSON object.'));
  });
}

/**
 * @param {Ledger} ledger
 * @param {'charge' | 'payout'} kind
 * @param {Faults} faults
 * @returns {import('express').RequestHandler}
 */
function settle(ledger, kind, faults) {
  return function settlePayment(req, res) {
    const order = checkedOrder(req.body);
    const key = idempotencyKey(req, kind, order);
    const answer = () => {
      const { payment, replayed } = ledger.settle(kind, order, key);
      if (replayed) res.set('Idempotent-Replayed', 'true');
      res.json(payment.result());
    };
    return faults.isOff ? answer() : strike(faults, kind, order).then(answer);
  };
}

/**
 * @param {Ledger} ledger
 * @param {Faults} faults
 * @returns {import('express').RequestHandler}
 */
function balance(ledger, faults) {
  return function showBalance(req, res) {
    const answer = () => {
      const player = ledger.player(req.params.player);
      Sentry.logger.info(Sentry.logger.fmt`balance of ${player.name} is ${player.balance}`);
      res.json({ player: player.name, balance: player.balance, tier: player.tier });
    };
    return faults.isOff ? answer() : strike(faults, 'balance').then(answer);
  };
}

/**
 * @param {import('express').Express} app
 * @param {string} path
 * @param {import('express').RequestHandler} describe
 * @param {ReturnType<typeof faultRoutes>} routes
 */
function serveLeases(app, path, describe, routes) {
  app
    .route(path)
    .get(describe, routes.get)
    .post(describe, readJson, routes.post)
    .delete(describe, routes.delete)
    .all(refuseMethod('get', 'post', 'delete'));
}

module.exports = { makeApp };
