"""What logits are worth: temperature, presence and thresholds from cases with known masks; imports no torch."""
