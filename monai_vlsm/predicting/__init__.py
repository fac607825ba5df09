"""Many images and prompts to one folder of masks and tables, resumable and by any engine."""
