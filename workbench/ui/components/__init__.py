"""Components of our own: the live view and the controls that Gradio has none for."""
