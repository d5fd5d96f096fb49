"""Failures of Node.js and Express."""

from kit.experiments.blind_spots.blind_spot import BlindSpot

NODE = (
    BlindSpot(
        "node/timer",
        "A timer callback that throws",
        """
          setTimeout(() => {
            throw new Error('no such payment');
          });
        """,
        "No caller can catch it. The SDK sends the event and then ends the process, unless another "
        "listener for uncaughtException is installed.",
        error="no such payment",
        captured=True,
        alone=True,
    ),
    BlindSpot(
        "node/rejection",
        "A rejected promise that is not awaited",
        """
          refund();
          async function refund() {
            throw new Error('no such payment');
          }
        """,
        "The SDK listens for unhandled rejections, so the process survives them.",
        error="no such payment",
        captured=True,
    ),
    BlindSpot(
        "node/aborted",
        "An aborted request that is not awaited",
        """
          const stop = new AbortController();
        - fetch('http://127.0.0.1:9', { signal: stop.signal });
        + fetch('http://127.0.0.1:9', { signal: stop.signal }).catch(Sentry.captureException);
          stop.abort();
        """,
        "It rejects with an AbortError. The SDK silently ignores unhandled rejections with that "
        "name, and because it listens, the process survives.",
        error="AbortError",
    ),
    BlindSpot(
        "node/caught",
        "A rejected promise that is caught",
        """
        - await refund().catch(() => {});
        + await refund().catch(Sentry.captureException);
          async function refund() {
            throw new Error('no such payment');
          }
        """,
        "The code that catches it decides, as in Python.",
        error="no such payment",
    ),
    BlindSpot(
        "node/settled",
        "A rejected promise inside allSettled()",
        """
        - await Promise.allSettled([refund()]);
        + await Promise.all([refund()]);
          async function refund() {
            throw new Error('no such payment');
          }
        """,
        "allSettled() turns the error into a value, like gather() with return_exceptions.",
        error="no such payment",
    ),
    BlindSpot(
        "node/callback",
        "A callback that receives an error",
        """
          await new Promise((done) => {
            fs.readFile('prices.json', (error, prices) => {
        +     if (error) Sentry.captureException(error);
              done(prices);
            });
          });
        """,
        "The error is only the callback's first argument: nothing was thrown.",
        error="ENOENT",
    ),
    BlindSpot(
        "node/emitter",
        "An error event with a listener",
        """
          const bank = new EventEmitter();
        - bank.on('error', () => {});
        + bank.on('error', Sentry.captureException);
          bank.emit('error', new Error('no such payment'));
        """,
        "A listener for 'error' handles it. Without one, emit() throws.",
        error="no such payment",
    ),
    BlindSpot(
        "node/worker",
        "A worker thread that throws",
        """
          const worker = new Worker("throw new Error('no prices')", { eval: true });
          worker.on('error', () => {});
          await new Promise((done) => worker.on('exit', done));
        """,
        "The SDK listens to every worker that starts. The event has the worker's stack trace.",
        error="no prices",
        captured=True,
    ),
    BlindSpot(
        "node/child",
        "A child process that exits with an error",
        """
          const child = exec('exit 3', (error) => {
        +   Sentry.captureException(error);
          });
          await new Promise((done) => child.on('close', done));
        """,
        "The callback receives the exit code as an error. The SDK adds a breadcrumb.",
        error="Command failed",
    ),
    BlindSpot(
        "node/exit",
        "An event from a process that exits at once",
        """
          Sentry.captureException(new Error('no settings'));
        - process.exit(1);
        + process.exitCode = 1;
        """,
        "process.exit() does not wait for requests. With exitCode the process first finishes them.",
        error="no settings",
        alone=True,
    ),
    BlindSpot(
        "node/express",
        "An Express route that throws",
        """
          app.get('/', () => {
            throw new Error('no such payment');
          });
        """,
        "Express passes it to its error handlers, and the integration gets it first.",
        error="no such payment",
        captured=True,
    ),
    BlindSpot(
        "node/express-422",
        "A route that throws an error with the status 422",
        """
          app.get('/', () => {
            throw Object.assign(new Error('no such payment'), { status: 422 });
          });
        + app.use((e, req, res, next) => { Sentry.captureException(e); next(e); });
        """,
        "Below 500 it counts as the caller's mistake. shouldHandleError of expressIntegration can "
        "change that where the SDK is set up; so can an error handler of the application.",
        error="no such payment",
    ),
    BlindSpot(
        "node/express-answered",
        "A route that answers with 500",
        """
          app.get('/', (request, response) => {
        +   Sentry.captureMessage('no such payment');
            response.status(500).send('sorry');
          });
        """,
        "Nothing was thrown.",
        error="no such payment",
    ),
    # The last of those that share a process: later ones' output would be captured, too.
    BlindSpot(
        "node/console",
        "An error that is printed",
        """
        + Sentry.addIntegration(Sentry.captureConsoleIntegration({ levels: ['error'] }));
          console.error('no such payment');
        """,
        "Console output becomes a breadcrumb of the next event, not an event.",
        error="no such payment",
    ),
)
