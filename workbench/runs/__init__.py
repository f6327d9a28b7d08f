"""Running attacks: the laboratory, the worker process, the scheduler, the recorder and the store."""
