"""Strips what running a notebook left in its file: that is the instructor's, not the course's.

The wheel build runs this file by path before anything is installed, so it may only use the
standard library.
"""

import json


def strip_outputs(notebook: str) -> str:
    """Return a notebook's text without outputs and the like, as nbstripout writes it."""
    content = json.loads(notebook)
    content["metadata"].pop("widgets", None)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
            cell["metadata"].pop("execution", None)
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
