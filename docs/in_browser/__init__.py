"""What the sites that run Python in a browser share: downloads, Pyodide with NumPy, and this package as files."""
