"""The embedded tier: a small model with LoRA adapters in this process."""
