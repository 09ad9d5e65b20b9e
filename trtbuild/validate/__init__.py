"""Stage 7: will Triton load this repository, and what will go wrong after loading."""
