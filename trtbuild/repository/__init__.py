"""Stage 6: the model repository as a directory: layout, lock file, atomic writes, reading."""
