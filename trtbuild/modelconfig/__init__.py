"""Stage 5: `config.pbtxt`, Triton's own message: derived, read with line and column, written."""
