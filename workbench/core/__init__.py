"""Registry, knobs, records, weights and errors; imports nothing else of the workbench."""
