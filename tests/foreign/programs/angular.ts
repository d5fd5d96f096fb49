// A page of @sentry/angular: a click in a component whose error Angular's handler is given.
import '@angular/compiler';
import { Component, ErrorHandler, provideZonelessChangeDetection } from '@angular/core';
import { bootstrapApplication } from '@angular/platform-browser';
import * as Sentry from '@sentry/angular';

const PRICES: Record<string, any> = { tea: null };

class Shop {
  order() {
    return PRICES['tea'].toFixed(2);
  }
}
Component({ selector: 'main', template: '<button (click)="order()">Order</button>' })(Shop);

Sentry.init({ dsn: (window as any).SENTRY_DSN, release: 'shop@1.4.2', environment: 'production' });
Sentry.setTag('shop.till', 'north');
Sentry.setUser({ id: '7' });
Sentry.addBreadcrumb({ category: 'cart', message: 'tea into the cart', level: 'info' });
Sentry.captureMessage('Tea is running low', 'warning');
document.body.appendChild(document.createElement('main'));
bootstrapApplication(Shop, {
  providers: [
    provideZonelessChangeDetection(),
    { provide: ErrorHandler, useValue: Sentry.createErrorHandler() },
  ],
});
