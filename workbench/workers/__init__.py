"""The queue, and the process that carries out what waits in it."""
