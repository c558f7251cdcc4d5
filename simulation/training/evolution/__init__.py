"""Evolution: a search over mixtures of given adapters that needs payoffs only, no gradient and no base model."""
