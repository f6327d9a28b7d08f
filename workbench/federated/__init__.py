"""Federated learning: participants who share a model and keep their images, and what they send to a server."""
