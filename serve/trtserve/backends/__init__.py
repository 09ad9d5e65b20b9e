"""What executes a model: one file a framework."""
