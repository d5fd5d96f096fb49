"""URLs for the browser, which may run on another machine than the services.

Services listen on 127.0.0.1 of the kernel's machine. When JupyterLab is reached through a hub,
Binder or a container's port, the browser can only reach them through jupyter-server-proxy:
https://jupyter-server-proxy.readthedocs.io/en/latest/arbitrary-ports-hosts.html.
"""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from kit.html import render

# JupyterHub sets the latter for each user's server; the public one only when it knows its host.
SITE_VARIABLES = ("WORKSHOP_PROXY", "JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_SERVICE_PREFIX")


class Link(str):
    """A URL for the browser: a link in a notebook, and text anywhere else."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return render("link.html", address=str(self))


def link(url: str, environment: Mapping[str, str] = os.environ) -> Link:
    """Return the address at which a browser reaches ``url``, which is on this machine.

    That is below the first of ``SITE_VARIABLES`` that is set: a URL or, when no more is known, a
    path on the browser's current site. If none is set, it is ``url`` itself.
    """
    site = next(filter(None, map(environment.get, SITE_VARIABLES)), None)
    if site is None:
        return Link(url)
    parts = urlsplit(url)
    return Link(f"{site.rstrip('/')}/proxy/{parts.port}{parts.path or '/'}")
