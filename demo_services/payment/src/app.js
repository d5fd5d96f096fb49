'use strict';

const Sentry = require('@sentry/node');
const express = require('express');

const { name } = require('../package.json');
const { answerError, refuseMethod, refusePath } = require('./answers');
const { debugRoutes } = require('./debug');
const { makeDescribe } = require('./describe');
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
  const describe = makeDescribe(new ProcessGauge());

  const serve = (method, path, ...handlers) => {
    app.route(path)[method](describe, ...handlers).all(refuseMethod(method));
  };

  app.get('/health', makeHealth(settings));
  serve('post', '/api/v1/charge', readJson, settle(ledger, 'charge'));
  serve('post', '/api/v1/payout', readJson, settle(ledger, 'payout'));
  serve('get', '/api/v1/balance/:player', balance(ledger));
  // In front of all routes below: a route itself is asked too late, for other methods never.
  app.use('/debug', makeGuard(settings));
  for (const [path, crash] of Object.entries(debugRoutes(ledger))) serve('get', path, crash);
  app.use(refusePath);
  app.use(answerError);
  return app;
}

/** @param {import('./settings').Settings} settings */
function makeHealth({ release }) {
  // Its own: each reading tells of the time since the one before.
  const gauge = new ProcessGauge();
  return function health(req, res) {
    res.json({ status: 'up', service: name, release, process: gauge.read() });
  };
}

// Whatever the content type says: as the other services do.
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
 * @returns {import('express').RequestHandler}
 */
function settle(ledger, kind) {
  return function settlePayment(req, res) {
    const order = checkedOrder(req.body);
    const { payment, replayed } = ledger.settle(kind, order, idempotencyKey(req, kind, order));
    if (replayed) res.set('Idempotent-Replayed', 'true');
    res.json(payment.result());
  };
}

/** @param {Ledger} ledger */
function balance(ledger) {
  return function showBalance(req, res) {
    const player = ledger.player(req.params.player);
    Sentry.logger.info(Sentry.logger.fmt`balance of ${player.name} is ${player.balance}`);
    res.json({ player: player.name, balance: player.balance, tier: player.tier });
  };
}

module.exports = { makeApp };
