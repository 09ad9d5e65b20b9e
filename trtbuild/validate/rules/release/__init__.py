"""What the release of Triton that the repository is judged for lacks, or is known for."""
