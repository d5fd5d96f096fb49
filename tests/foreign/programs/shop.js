// A program of any version of @sentry/node: a message, then an error that nothing catches.
const Sentry = require(process.env.SDK);

const PRICES = { tea: null };

class OrderError extends Error {}
OrderError.prototype.name = 'OrderError';

function price(article) {
  return PRICES[article].toFixed(2);
}

function order(article) {
  try {
    return price(article);
  } catch (error) {
    throw new OrderError(`${article} cannot be ordered`, { cause: error });
  }
}

Sentry.init({ dsn: process.env.SENTRY_DSN, release: 'shop@1.4.2', environment: 'production' });
Sentry.setTag('shop.till', 'north');
Sentry.setUser({ id: '7' });
Sentry.addBreadcrumb({ category: 'cart', message: 'tea into the cart', level: 'info' });
Sentry.captureMessage('Tea is running low', 'warning');
setTimeout(() => order('tea'), 10);
