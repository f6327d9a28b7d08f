"""The browser interface; the only package, with `app.py`, that imports gradio."""
