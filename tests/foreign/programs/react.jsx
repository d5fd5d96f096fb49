// A page of @sentry/react: a component that fails as it is drawn, inside an error boundary.
import * as React from 'react';
import { createRoot } from 'react-dom/client';
import * as Sentry from '@sentry/react';

const PRICES = { tea: null };

function Price({ article }) {
  return <b>{PRICES[article].toFixed(2)}</b>;
}

function Shop() {
  const [isOpen, open] = React.useState(false);
  return isOpen ? <Price article="tea" /> : <button onClick={() => open(true)}>Order</button>;
}

Sentry.init({ dsn: window.SENTRY_DSN, release: 'shop@1.4.2', environment: 'production' });
Sentry.setTag('shop.till', 'north');
Sentry.setUser({ id: '7' });
Sentry.addBreadcrumb({ category: 'cart', message: 'tea into the cart', level: 'info' });
Sentry.captureMessage('Tea is running low', 'warning');
const root = document.body.appendChild(document.createElement('main'));
createRoot(root).render(
  <Sentry.ErrorBoundary fallback={<p>Closed</p>}>
    <Shop />
  </Sentry.ErrorBoundary>,
);
