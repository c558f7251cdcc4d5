"""Training against a population: each round adds a policy that answers a mixture of all before (PSRO)."""
