"""The parts of the lab's site: Python with its packages, JupyterLite, the notebooks, and the page of the course."""
