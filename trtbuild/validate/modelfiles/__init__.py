"""What model files say of their inputs and outputs, read without any framework."""
