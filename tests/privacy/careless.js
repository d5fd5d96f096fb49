// Code that handles secrets and fails, reporting as the payment service does.
'use strict';

const { join } = require('node:path');

const [source, planted] = process.argv.slice(2);
const secret = JSON.parse(planted);
const { instrument } = require(join(source, 'instrument'));
const { end } = require(join(source, 'end'));
const Sentry = require('@sentry/node');

class Account {
  constructor(password) {
    this.name = 'ada';
    this.password = password;
  }
}

function login() {
  const password = secret['JavaScript local password'];
  const config = { db: [{ options: { passwd: secret['JavaScript nested local'] } }] };
  const account = new Account(secret['JavaScript object']);
  const headers = [['authorization', secret['JavaScript pair']]];
  const line = `Cookie: theme=dark; sid=${secret['JavaScript line of text']}`;
  const number = Number(secret['JavaScript card as a number']);
  if (password && config && account && headers && line && number) {
    throw new Error(`login failed: password=${secret['JavaScript message of an exception']}`);
  }
}

function fail() {
  Sentry.addBreadcrumb({
    message: `asked https://shop.example/?access_token=${secret['JavaScript breadcrumb message']}`,
    data: { request: [{ headers: { 'X-Api-Key': secret['JavaScript breadcrumb data'] } }] },
  });
  Sentry.setContext('upstream', { options: { secret: secret['JavaScript nested context'] } });
  Sentry.setTag('bearer', `Bearer ${secret['JavaScript tag']}`);
  Sentry.setExtra('config', { db: { password: secret['JavaScript nested extra'] } });
  const name = `AUTH password='${secret['JavaScript span name']}'`;
  const attributes = { 'login.secret': secret['JavaScript span attribute'] };
  Sentry.startSpan({ op: 'db', name, attributes }, () => {});
  Sentry.logger.info(`login with password=${secret['JavaScript structured log']}`, {
    api_key: secret['JavaScript attribute of a log'],
  });
  const counted = { attributes: { token: secret['JavaScript attribute of a metric'] } };
  Sentry.metrics.count('logins', 1, counted);
  try {
    login();
  } catch (error) {
    Sentry.captureException(error);
  }
  Sentry.captureMessage(`refused: secret=${secret['JavaScript message']}`);
}

// A process that ends before all is sent has failed.
process.exitCode = 1;
// Nothing else keeps this process alive while it waits for the SDK's threads.
setInterval(() => {}, 1000);
instrument({ release: 'payment@1.0.0', environment: 'workshop' }).then(async () => {
  Sentry.startSpan({ op: 'task', name: 'careless' }, fail);
  const sent = await Sentry.flush(60_000);
  end(sent ? 0 : 1);
});
