"""Which requests run together, and when: pure policies, and the loop that runs them."""
