"""Learning from play: samples, trainable adapters and their versions. This room knows no game."""
