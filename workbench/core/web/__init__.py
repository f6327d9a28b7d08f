"""What both web servers check of a request before anything else reads it: whose name it uses, how long it is. Plain ASGI."""
