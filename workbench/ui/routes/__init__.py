"""What the page asks for besides Gradio's own events."""
