"""Failures of Node.js and Express."""

from kit.experiments.blind_spots.blind_spot import BlindSpot

NODE = (
    BlindSpot(
        "node/timer",
        "A callback of a timer that throws",
        """
          setTimeout(() => {
            throw new Error('no such payment');
          });
        """,
        "Nobody stands above it. The SDK sends the event and then ends the process, unless "
        "another listener for uncaughtException is installed.",
        error="no such payment",
        captured=True,
        alone=True,
    ),
    BlindSpot(
        "node/rejection",
        "A promise that nobody awaits",
        """
          refund();
          async function refund() {
            throw new Error('no such payment');
          }
        """,
        "The SDK listens for unhandled rejections, by which the process also survives them.",
        error="no such payment",
        captured=True,
    ),
    BlindSpot(
        "node/aborted",
        "A request that is aborted, and that nobody awaits",
        """
          const stop = new AbortController();
        - fetch('http://127.0.0.1:9', { signal: stop.signal });
        + fetch('http://127.0.0.1:9', { signal: stop.signal }).catch(Sentry.captureException);
          stop.abort();
        """,
        "It rejects with an AbortError. Of unhandled rejections the SDK ignores those of that name "
        "without a word, and as it listens, the process survives.",
        error="AbortError",
    ),
    BlindSpot(
        "node/caught",
        "A promise whose rejection is caught",
        """
        - await refund().catch(() => {});
        + await refund().catch(Sentry.captureException);
          async function refund() {
            throw new Error('no such payment');
          }
        """,
        "Whoever catches decides, here as in Python.",
        error="no such payment",
    ),
    BlindSpot(
        "node/settled",
        "A promise that is settled with others",
        """
        - await Promise.allSettled([refund()]);
        + await Promise.all([refund()]);
          async function refund() {
            throw new Error('no such payment');
          }
        """,
        "allSettled() makes a value of the error, as gather() does with return_exceptions.",
        error="no such payment",
    ),
    BlindSpot(
        "node/callback",
        "A callback that is given an error",
        """
          await new Promise((done) => {
            fs.readFile('prices.json', (error, prices) => {
        +     if (error) Sentry.captureException(error);
              done(prices);
            });
          });
        """,
        "An error in the first place of a callback is an argument: nothing was thrown.",
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
        "A listener for 'error' has caught it. Without one emit() throws.",
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
        "The SDK listens to every worker that is started. The event has the worker's stack trace.",
        error="no prices",
        captured=True,
    ),
    BlindSpot(
        "node/child",
        "A child process that ends with an error",
        """
          const child = exec('exit 3', (error) => {
        +   Sentry.captureException(error);
          });
          await new Promise((done) => child.on('close', done));
        """,
        "The exit code goes to the callback as an error. The SDK leaves a breadcrumb.",
        error="Command failed",
    ),
    BlindSpot(
        "node/exit",
        "An event of a process that ends at once",
        """
          Sentry.captureException(new Error('no settings'));
        - process.exit(1);
        + process.exitCode = 1;
        """,
        "process.exit() waits for no request. With exitCode the process ends when all is done.",
        error="no settings",
        alone=True,
    ),
    BlindSpot(
        "node/express",
        "A route of Express that throws",
        """
          app.get('/', () => {
            throw new Error('no such payment');
          });
        """,
        "Express hands it to its error handlers, and the integration is told first.",
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
        "Below 500 it is the caller's mistake, unless shouldHandleError of expressIntegration says "
        "otherwise where the SDK is set up. An error handler of the application can, too.",
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
    # The last of those that share a process: it would go on to capture what others print.
    BlindSpot(
        "node/console",
        "An error that is printed",
        """
        + Sentry.addIntegration(Sentry.captureConsoleIntegration({ levels: ['error'] }));
          console.error('no such payment');
        """,
        "What is printed becomes a breadcrumb of the next event, and no event.",
        error="no such payment",
    ),
)
