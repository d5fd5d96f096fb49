"""The files of the course, as the JupyterLab of ``workshop lab`` reads and saves them."""

from typing import Any

from ipykernel.ipkernel import IPythonKernel
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

Model = dict[str, Any]


class CourseContents(AsyncLargeFileManager):
    """Gives each notebook the ``language_info`` of this Python, and saves none of it.

    JupyterLab writes what the kernel says of its language into the notebook. Where the file says
    something else, an older Python for instance, the notebook counts as changed as soon as it is
    opened, and is saved by itself.
    """

    async def get(self, path: str, *given: Any, **options: Any) -> Model:
        """Return a file, a notebook or a folder."""
        model: Model = await super().get(path, *given, **options)  # type: ignore[no-untyped-call]
        if (info := _language_info(model)) is not None:
            info.update(IPythonKernel.language_info)
        return model

    async def save(self, model: Model, path: str = "") -> Model:
        """Save a file, a notebook or a folder, and return it without its content."""
        if (info := _language_info(model)) is not None:
            info.clear()
            info["name"] = "python"
        saved: Model = await super().save(model, path)  # type: ignore[no-untyped-call]
        return saved


def _language_info(model: Model) -> Model | None:
    """Return what a notebook in Python says of its language, to be changed."""
    if model.get("type") != "notebook" or not model.get("content"):
        return None
    info: Model | None = model["content"].get("metadata", {}).get("language_info")
    return info if info and info.get("name") == "python" else None
