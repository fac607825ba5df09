"""Search the values of a bundle's training: many trials by Optuna, on Ray, resumable; a table, a page and the best."""
