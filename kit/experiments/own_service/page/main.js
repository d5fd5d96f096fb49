import * as Sentry from '@sentry/browser';

const { dsn, backend, tunnel } = JSON.parse(document.querySelector('#settings').textContent);

Sentry.init({
  dsn,
  tunnel,
  release: 'my-page@1.0.0',
  integrations: [Sentry.browserTracingIntegration()],
  tracesSampleRate: 1,
  // Whom to tell which trace a request belongs to: by default only the page's own site.
  tracePropagationTargets: [backend],
});

async function buy() {
  const order = { id: 4711, item: 'sofa', customer: 'ada', tier: 'gold', card: '4929123412341234' };
  const answer = await fetch(backend, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(order),
  });
  if (!answer.ok) throw new Error(`The purchase failed with HTTP ${answer.status}`);
  return answer.text();
}

function click() {
  // The click is the beginning, and not the load of the page.
  return Sentry.startNewTrace(() => Sentry.startSpan({ name: 'Buy', op: 'ui.action.click' }, buy));
}

const said = document.querySelector('output');

document.querySelector('button').addEventListener('click', async () => {
  said.textContent = 'Buying …';
  try {
    said.textContent = await click();
  } catch (error) {
    said.textContent = `${error.message}.`;
    Sentry.captureException(error);
  }
  await Sentry.flush(5000);
  document.body.dataset.sent = 'true';
});
