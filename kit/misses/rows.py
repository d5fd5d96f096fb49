"""All failures of the table."""

from kit.misses.node import NODE
from kit.misses.notebook import NOTEBOOK
from kit.misses.python import PYTHON
from kit.misses.web import FASTAPI, TORNADO

MISSES = (*PYTHON, *TORNADO, *FASTAPI, *NODE, *NOTEBOOK)
