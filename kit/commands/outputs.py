"""What running a notebook leaves in its file, which is the instructor's and not the course's.

The build of the wheel runs this file by its path, where nothing is installed yet: it needs Python's
own library alone.
"""

import json


def strip_outputs(notebook: str) -> str:
    """Return the text of a notebook without what running it left, as nbstripout writes it."""
    content = json.loads(notebook)
    content["metadata"].pop("widgets", None)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
            cell["metadata"].pop("execution", None)
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
