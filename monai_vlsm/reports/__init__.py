"""What evaluations left behind, read again: compared, and shown to people."""
