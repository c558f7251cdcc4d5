"""How the shipped LoRA adapters were made: dialogues of scripted players, training, held-out figures."""
