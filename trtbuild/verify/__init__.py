"""Stage 4: are the numbers right? Source framework, ONNX and plans on the same seeded inputs."""
