"""Targets that are not ours to load: HTTP services and ONNX files; and our own, served over HTTP."""
