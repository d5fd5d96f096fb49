// A page of @sentry/browser: a message, then a click whose error nothing catches.
import * as Sentry from 'sdk';

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

Sentry.init({ dsn: window.SENTRY_DSN, release: 'shop@1.4.2', environment: 'production' });
Sentry.setTag('shop.till', 'north');
Sentry.setUser({ id: '7' });
Sentry.addBreadcrumb({ category: 'cart', message: 'tea into the cart', level: 'info' });
Sentry.captureMessage('Tea is running low', 'warning');
const button = document.createElement('button');
button.textContent = 'Order';
button.onclick = () => order('tea');
document.body.append(button);
