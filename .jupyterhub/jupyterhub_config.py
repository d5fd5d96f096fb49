"""JupyterHub for a class on one machine: every learner is a user of the system.

As root, in an environment that has the workshop: in a checkout ``pip install ".[deploy]"
jupyterhub``, and configurable-http-proxy from npm:

    export WORKSHOP_CACHE=/var/cache/crash-workshop
    workshop prepare
    jupyterhub -f .jupyterhub/jupyterhub_config.py

``SENTRY_DSN`` gives the class one Sentry, where each event carries its learner's name.
"""

import os
import sys
from importlib.resources import files
from pathlib import Path

CACHE = os.environ.get("WORKSHOP_CACHE", "/var/cache/crash-workshop")

# Each learner has a copy of the course. After an upgrade newer notebooks come in at the next start;
# what the learner changed stays.
START = 'workshop notebooks "$HOME/crash-workshop" && exec jupyterhub-singleuser "$@"'

c = get_config()  # noqa: F821

# For a class beyond this machine put a web server with TLS in front.
c.JupyterHub.bind_url = os.environ.get("HUB_URL", "http://127.0.0.1:8000")
c.Authenticator.allow_all = True  # everybody who has an account on this machine

c.Spawner.cmd = ["/bin/sh", "-c", START, "crash-workshop"]
c.Spawner.notebook_dir = "~/crash-workshop/notebooks"
c.Spawner.default_url = "/lab/tree/00_start_here.ipynb"
c.Spawner.environment = {
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "JUPYTER_CONFIG_PATH": str(files("kit.commands") / "jupyter"),
    "WORKSHOP_CACHE": CACHE,
    **{name: os.environ[name] for name in ("SENTRY_DSN",) if name in os.environ},
}
# A class starts within the same minute.
c.Spawner.start_timeout = c.Spawner.http_timeout = 180
c.JupyterHub.concurrent_spawn_limit = 30
