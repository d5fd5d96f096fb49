"""All blind spots of the table."""

from kit.experiments.blind_spots.node import NODE
from kit.experiments.blind_spots.notebook import NOTEBOOK
from kit.experiments.blind_spots.python import PYTHON
from kit.experiments.blind_spots.web import FASTAPI, TORNADO

BLIND_SPOTS = (*PYTHON, *TORNADO, *FASTAPI, *NODE, *NOTEBOOK)
