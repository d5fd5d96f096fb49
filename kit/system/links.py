"""Addresses for the browser, which may run on another machine than the services.

Services listen on 127.0.0.1 of the kernel's machine. Where JupyterLab is reached through a hub,
Binder or a container's port, the browser reaches them through jupyter-server-proxy alone:
https://jupyter-server-proxy.readthedocs.io/en/latest/arbitrary-ports-hosts.html.
"""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from kit.html import render

# The latter are set by JupyterHub for each user's server; the public one where it knows its host.
SITE_VARIABLES = ("WORKSHOP_PROXY", "JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_SERVICE_PREFIX")


class Link(str):
    """An address for the browser: a link in a notebook, and text anywhere else."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return render("link.html", address=str(self))


def link(url: str, environment: Mapping[str, str] = os.environ) -> Link:
    """Return where a browser reaches ``url``, which is on this machine.

    That is below the first of ``SITE_VARIABLES`` that is set: an address or, when that is all
    that is known, a path on the site that the browser is at. Without any it is ``url`` itself.
    """
    site = next(filter(None, map(environment.get, SITE_VARIABLES)), None)
    if site is None:
        return Link(url)
    parts = urlsplit(url)
    return Link(f"{site.rstrip('/')}/proxy/{parts.port}{parts.path or '/'}")
