"""How the JupyterLab of ``workshop lab`` reads and saves the files of the course."""

from typing import Any

from ipykernel.ipkernel import IPythonKernel
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

Model = dict[str, Any]


class CourseContents(AsyncLargeFileManager):
    """Gives each notebook the ``language_info`` of this Python, and never saves it.

    JupyterLab writes the kernel's language information into the notebook. If the file differs,
    because of an older Python for instance, opening the notebook marks it as changed, and it is
    saved automatically.
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
    """Return the ``language_info`` of a Python notebook, to be modified."""
    if model.get("type") != "notebook" or not model.get("content"):
        return None
    info: Model | None = model["content"].get("metadata", {}).get("language_info")
    return info if info and info.get("name") == "python" else None
