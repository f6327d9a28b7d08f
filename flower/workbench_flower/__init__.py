"""The workbench's federated averaging as server and client apps of Flower."""
