"""Executes the notebooks in place, so that what is committed is what they show.

Usage: python notebooks/execute.py [NOTEBOOK ...]; all of them where none is named.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def executed(path: Path) -> NotebookNode:
    """Return a notebook with the outputs of this interpreter; it runs where its file is.

    Raises ``nbclient.exceptions.CellExecutionError`` where a cell fails, and ``RuntimeError`` where
    one complains on stderr.
    """
    notebook = nbformat.read(path, as_version=4)
    # Without folders to look for kernels in there is one only: that of this interpreter.
    specs = KernelSpecManager(kernel_dirs=[])
    with TemporaryDirectory(prefix="recsys-kernel-") as private:
        client = NotebookClient(
            notebook,
            km=AsyncKernelManager(
                kernel_spec_manager=specs, transport="ipc", ip=f"{private}/socket"
            ),
            resources={"metadata": {"path": str(path.parent)}},
            record_timing=False,
            coalesce_streams=True,
            timeout=600,
        )
        client.owns_km = True  # it ends with the notebook
        # What somebody has set up for their own sessions must not show, nor that a library would
        # rather draw its progress with widgets.
        own = {"IPYTHONDIR": private, "PYTHONWARNINGS": "ignore:IProgress not found"}
        client.execute(env={**os.environ, **own})
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise RuntimeError(f"{path.name} complains: {output.text}")
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return notebook


def main(names: list[str]) -> None:
    """Execute notebooks, all of them where ``names`` is empty."""
    for path in map(Path, names) if names else sorted(FOLDER.glob("*.ipynb")):
        print(path, flush=True)
        nbformat.write(executed(path), path)


if __name__ == "__main__":
    main(sys.argv[1:])
