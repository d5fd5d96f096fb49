import * as Sentry from '@sentry/browser';

const { dsn, backend, tunnel } = JSON.parse(document.querySelector('#settings').textContent);

Sentry.init({
  dsn,
  tunnel,
  release: 'my-page@1.0.0',
  integrations: [Sentry.browserTracingIntegration()],
  tracesSampleRate: 1,
  // Which requests get the trace headers: by default only those to the page's own site.
  tracePropagationTargets: [backend],
});

const said = document.querySelector('output');
const order = { id: 4711, item: 'sofa', customer: 'ada', tier: 'gold', card: '4929123412341234' };

async function buy(span) {
  said.textContent = 'Buying …';
  try {
    const answer = await fetch(backend, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(order),
    });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    said.textContent = 'Bought.';
  } catch (error) {
    said.textContent = `Nothing was bought: ${error.message}.`;
    // After an await a browser no longer knows which span is active.
    Sentry.withActiveSpan(span, () => Sentry.captureException(error));
  }
}

document.querySelector('button').addEventListener('click', async () => {
  // The click starts the trace, not the page load.
  await Sentry.startNewTrace(() => Sentry.startSpan({ name: 'Buy', op: 'ui.action.click' }, buy));
  await Sentry.flush(5000);
  document.body.dataset.sent = 'true';
});
